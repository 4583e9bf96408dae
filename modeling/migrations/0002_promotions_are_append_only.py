from django.db import migrations

TABLES = ["modeling_promotion"]


def forbid_changes(apps, schema_editor):
    for table in TABLES:
        for statement in STATEMENTS[schema_editor.connection.vendor]:
            schema_editor.execute(statement.replace("TABLE_NAME", table), params=None)


def allow_changes(apps, schema_editor):
    for table in TABLES:
        for event in ("update", "delete"):
            target = f" ON {table}" if schema_editor.connection.vendor == "postgresql" else ""
            schema_editor.execute(f"DROP TRIGGER {table}_no_{event}{target}", params=None)


STATEMENTS = {
    "sqlite": [
        """CREATE TRIGGER TABLE_NAME_no_update BEFORE UPDATE ON TABLE_NAME
        BEGIN SELECT RAISE(ABORT, 'TABLE_NAME is append-only: add a new row instead'); END""",
        """CREATE TRIGGER TABLE_NAME_no_delete BEFORE DELETE ON TABLE_NAME
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


class Migration(migrations.Migration):
    dependencies = [("modeling", "0001_initial")]
    operations = [migrations.RunPython(forbid_changes, allow_changes)]
