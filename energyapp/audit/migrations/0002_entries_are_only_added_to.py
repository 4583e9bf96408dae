"""What was written stays as it was: the database refuses to change or delete an entry. And the page asks by time."""

from django.conf import settings
from django.db import migrations, models

ONLY_ADD = {
    "sqlite": [
        """CREATE TRIGGER audit_auditentry_no_update BEFORE UPDATE ON audit_auditentry
        BEGIN SELECT RAISE(ABORT, 'audit_auditentry is append-only: add a new row instead'); END""",
        """CREATE TRIGGER audit_auditentry_no_delete BEFORE DELETE ON audit_auditentry
        BEGIN SELECT RAISE(ABORT, 'audit_auditentry is append-only: history cannot be deleted'); END""",
    ],
    "postgresql": [
        """CREATE OR REPLACE FUNCTION audit_auditentry_refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'audit_auditentry is append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$""",
        """CREATE TRIGGER audit_auditentry_no_update BEFORE UPDATE ON audit_auditentry
        FOR EACH ROW EXECUTE FUNCTION audit_auditentry_refuse()""",
        """CREATE TRIGGER audit_auditentry_no_delete BEFORE DELETE ON audit_auditentry
        FOR EACH ROW EXECUTE FUNCTION audit_auditentry_refuse()""",
    ],
}


def add_triggers(apps, schema_editor):
    for statement in ONLY_ADD[schema_editor.connection.vendor]:
        schema_editor.execute(statement, params=None)


def drop_triggers(apps, schema_editor):
    on_table = " ON audit_auditentry" if schema_editor.connection.vendor == "postgresql" else ""
    for event in ("update", "delete"):
        schema_editor.execute(f"DROP TRIGGER audit_auditentry_no_{event}{on_table}", params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddIndex("auditentry", models.Index(fields=["-created_at", "-id"], name="audit_by_time")),
        migrations.AddIndex("auditentry", models.Index(fields=["subject"], name="audit_about")),
        migrations.RunPython(add_triggers, drop_triggers),
    ]
