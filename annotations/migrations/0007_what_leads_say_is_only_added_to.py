"""Two things that only a trigger can promise: what leads say is only added to, and a flag knows its label and what holds of it.

Labels and decisions are never changed, so what holds changes only as decisions come, or as a flag comes to a label that was
decided about.
SQLite makes a table anew when a column is added, and its triggers go with the old one: those of decisions are put back.
"""

from importlib import import_module

from django.db import migrations

ONLY_ADD = import_module("annotations.migrations.0005_annotators_of_a_track_are_counted_by_the_database").ONLY_ADD
NEW_APPEND_ONLY = ["annotations_reviewrules", "annotations_annotatorexclusion"]
REMADE_BY_SQLITE = ["annotations_decision"]

_HOLDS = """standing_id = (
            SELECT MAX(decision.id) FROM annotations_decision AS decision
            JOIN annotations_flag AS flag ON flag.id = decision.flag_id
            WHERE flag.annotation_id = annotations_flag.annotation_id AND decision.verdict <> 'undo'
            AND NOT EXISTS (SELECT 1 FROM annotations_decision AS undoing WHERE undoing.undoes_id = decision.id)
        )"""
_LABEL = "FROM annotations_annotation AS label WHERE label.id = annotations_flag.annotation_id"
_KNOWS = f"""of_track_id = (SELECT label.track_id {_LABEL}), of_annotator_id = (SELECT label.annotator_id {_LABEL}), {_HOLDS}"""
_OF_DECIDED = f"""UPDATE annotations_flag SET {_HOLDS}
        WHERE annotation_id = (SELECT annotation_id FROM annotations_flag WHERE id = NEW.flag_id);"""
_OF_NEW_FLAG = f"UPDATE annotations_flag SET {_KNOWS} WHERE id = NEW.id;"
TRIGGERS = {"annotations_decision_holds": _OF_DECIDED, "annotations_flag_is_held": _OF_NEW_FLAG}
TABLE = {"annotations_decision_holds": "annotations_decision", "annotations_flag_is_held": "annotations_flag"}


def add_triggers(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for table in NEW_APPEND_ONLY + (REMADE_BY_SQLITE if vendor == "sqlite" else []):
        for statement in ONLY_ADD[vendor]:
            schema_editor.execute(statement.replace("TABLE_NAME", table), params=None)
    for name, body in TRIGGERS.items():
        for statement in _after_insert(vendor, name, body):
            schema_editor.execute(statement, params=None)


def _after_insert(vendor, name, body):
    if vendor == "sqlite":
        return [f"CREATE TRIGGER {name} AFTER INSERT ON {TABLE[name]} BEGIN {body} END"]
    return [
        f"""CREATE OR REPLACE FUNCTION {name}_now() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {body} RETURN NULL; END $$""",
        f"CREATE TRIGGER {name} AFTER INSERT ON {TABLE[name]} FOR EACH ROW EXECUTE FUNCTION {name}_now()",
    ]


def say_what_flags_know(apps, schema_editor):
    schema_editor.execute(f"UPDATE annotations_flag SET {_KNOWS}", params=None)


def drop_triggers(apps, schema_editor):
    on_table = schema_editor.connection.vendor == "postgresql"
    names = {f"{table}_no_{event}": table for table in NEW_APPEND_ONLY for event in ("update", "delete")} | TABLE
    for name, table in names.items():
        schema_editor.execute(f"DROP TRIGGER {name}" + (f" ON {table}" if on_table else ""), params=None)


class Migration(migrations.Migration):
    dependencies = [("annotations", "0006_review_rules_undo_and_exclusions")]
    operations = [
        migrations.RunPython(add_triggers, drop_triggers),
        # Last: Postgres makes no trigger on a table whose changed rows it has still to check.
        migrations.RunPython(say_what_flags_know, migrations.RunPython.noop),
    ]
