"""Review rules and exclusions of annotators are history: the database refuses to change them.

SQLite makes a table anew when a column is added, and its triggers go with the old one: those of decisions are put back.
"""

from importlib import import_module

from django.db import migrations

ONLY_ADD = import_module("annotations.migrations.0005_annotators_of_a_track_are_counted_by_the_database").ONLY_ADD
NEW_APPEND_ONLY = ["annotations_reviewrules", "annotations_annotatorexclusion"]
REMADE_BY_SQLITE = ["annotations_decision"]


def add_triggers(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    for table in NEW_APPEND_ONLY + (REMADE_BY_SQLITE if vendor == "sqlite" else []):
        for statement in ONLY_ADD[vendor]:
            schema_editor.execute(statement.replace("TABLE_NAME", table), params=None)


def drop_triggers(apps, schema_editor):
    on_table = schema_editor.connection.vendor == "postgresql"
    for table in NEW_APPEND_ONLY:
        for event in ("update", "delete"):
            schema_editor.execute(
                f"DROP TRIGGER {table}_no_{event}" + (f" ON {table}" if on_table else ""), params=None
            )


class Migration(migrations.Migration):
    dependencies = [("annotations", "0006_review_rules_undo_and_exclusions")]
    operations = [migrations.RunPython(add_triggers, drop_triggers)]
