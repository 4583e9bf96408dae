"""Two things that only a trigger can promise: history is only added to, and a track knows how many have labelled it.

Annotations are never changed or deleted, so counting their roots as they come is exact for ever. SQLite makes a table
anew when a column is added, and its triggers go with the old one: those of annotations are put back.
"""

from django.db import migrations
from django.db.models import Count, Q

APPEND_ONLY = ["annotations_annotation", "annotations_decision", "annotations_labellingrules", "annotations_comparison"]
NEW_APPEND_ONLY = ["annotations_labellingrules", "annotations_comparison"]
BATCH_SIZE = 500


def count_annotators(apps, schema_editor):
    Track = apps.get_model("annotations", "Track")
    tracks = []
    for track in (
        Track.objects.annotate(n=Count("annotations", filter=Q(annotations__supersedes=None)))
        .filter(n__gt=0)
        .only("pk")
    ).iterator():
        track.n_annotators = track.n
        tracks.append(track)
    Track.objects.bulk_update(tracks, ["n_annotators"], batch_size=BATCH_SIZE)


def add_triggers(apps, schema_editor):
    vendor = schema_editor.connection.vendor
    # On Postgres those of the older tables are still there.
    tables = APPEND_ONLY if vendor == "sqlite" else NEW_APPEND_ONLY
    for statement in [
        *(each.replace("TABLE_NAME", table) for table in tables for each in ONLY_ADD[vendor]),
        *COUNT[vendor],
    ]:
        schema_editor.execute(statement, params=None)


def drop_triggers(apps, schema_editor):
    on_table = schema_editor.connection.vendor == "postgresql"
    for table in NEW_APPEND_ONLY:
        for event in ("update", "delete"):
            schema_editor.execute(
                f"DROP TRIGGER {table}_no_{event}" + (f" ON {table}" if on_table else ""), params=None
            )
    schema_editor.execute(
        "DROP TRIGGER annotations_annotation_counts" + (" ON annotations_annotation" if on_table else ""), params=None
    )


ONLY_ADD = {
    "sqlite": [
        """CREATE TRIGGER IF NOT EXISTS TABLE_NAME_no_update BEFORE UPDATE ON TABLE_NAME
        BEGIN SELECT RAISE(ABORT, 'TABLE_NAME is append-only: add a new row instead'); END""",
        """CREATE TRIGGER IF NOT EXISTS TABLE_NAME_no_delete BEFORE DELETE ON TABLE_NAME
        BEGIN SELECT RAISE(ABORT, 'TABLE_NAME is append-only: history cannot be deleted'); END""",
    ],
    "postgresql": [
        """CREATE OR REPLACE FUNCTION TABLE_NAME_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'TABLE_NAME is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER TABLE_NAME_no_update BEFORE UPDATE ON TABLE_NAME
        FOR EACH ROW EXECUTE FUNCTION TABLE_NAME_refuse()""",
        """CREATE TRIGGER TABLE_NAME_no_delete BEFORE DELETE ON TABLE_NAME
        FOR EACH ROW EXECUTE FUNCTION TABLE_NAME_refuse()""",
    ],
}
_COUNT = """UPDATE annotations_track SET n_annotators = n_annotators + 1 WHERE id = NEW.track_id;
        DELETE FROM annotations_rankedtrack WHERE track_id = NEW.track_id;"""
COUNT = {
    "sqlite": [
        f"""CREATE TRIGGER annotations_annotation_counts AFTER INSERT ON annotations_annotation
        WHEN NEW.supersedes_id IS NULL BEGIN {_COUNT} END"""
    ],
    "postgresql": [
        f"""CREATE OR REPLACE FUNCTION annotations_annotation_count() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN {_COUNT} RETURN NULL; END $$""",
        """CREATE TRIGGER annotations_annotation_counts AFTER INSERT ON annotations_annotation
        FOR EACH ROW WHEN (NEW.supersedes_id IS NULL) EXECUTE FUNCTION annotations_annotation_count()""",
    ],
}


class Migration(migrations.Migration):
    dependencies = [("annotations", "0004_streams_rules_and_references")]
    operations = [
        migrations.RunPython(count_annotators, migrations.RunPython.noop),
        migrations.RunPython(add_triggers, drop_triggers),
    ]
