"""SQLite makes a table anew when a column is added, and its triggers go with the old one: those of promotions are put back."""

from importlib import import_module

from django.db import migrations

ONLY_ADD = import_module("annotations.migrations.0005_annotators_of_a_track_are_counted_by_the_database").ONLY_ADD
NEW_APPEND_ONLY = ["modeling_retrainingrules"]
REMADE_BY_SQLITE = ["modeling_promotion"]


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
    dependencies = [("modeling", "0006_when_to_train_again")]
    operations = [migrations.RunPython(add_triggers, drop_triggers)]
