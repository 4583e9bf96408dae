from importlib import import_module

import django.core.validators
import django.db.models.deletion
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models


def put_back_triggers(apps, schema_editor):
    """On the way back: SQLite makes the table of promotions anew then too, and its triggers go with the old one."""
    if schema_editor.connection.vendor == "sqlite":
        for statement in ONLY_ADD["sqlite"]:
            schema_editor.execute(statement.replace("TABLE_NAME", "modeling_promotion"), params=None)


ONLY_ADD = import_module("annotations.migrations.0005_annotators_of_a_track_are_counted_by_the_database").ONLY_ADD


class Migration(migrations.Migration):
    dependencies = [
        ("modeling", "0005_tracks_that_have_features_know_how_loud_they_are"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        # First, so that it comes last on the way back.
        migrations.RunPython(migrations.RunPython.noop, put_back_triggers),
        migrations.AddField(
            model_name="promotion",
            name="why",
            field=models.CharField(
                blank=True, help_text="Of one that was promoted by itself, in a sentence.", max_length=300
            ),
        ),
        migrations.AddField(
            model_name="trainingrun",
            name="reason",
            field=models.CharField(
                blank=True,
                help_text="Why it was asked for, where nobody asked: by the schedule, after 50 labels.",
                max_length=100,
            ),
        ),
        migrations.AlterField(
            model_name="promotion",
            name="promoted_by",
            field=models.ForeignKey(
                help_text="Nobody: it was promoted by itself.",
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.CreateModel(
            name="RetrainingRules",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "schedule",
                    models.CharField(
                        choices=[("off", "Not by the clock"), ("daily", "Every day"), ("weekly", "Every week")],
                        default="off",
                        max_length=6,
                    ),
                ),
                (
                    "weekday",
                    models.PositiveSmallIntegerField(
                        choices=[
                            (0, "Monday"),
                            (1, "Tuesday"),
                            (2, "Wednesday"),
                            (3, "Thursday"),
                            (4, "Friday"),
                            (5, "Saturday"),
                            (6, "Sunday"),
                        ],
                        default=0,
                    ),
                ),
                (
                    "hour",
                    models.PositiveSmallIntegerField(
                        default=3,
                        help_text="Of the day, 0 to 23, in the installation's time zone.",
                        validators=[django.core.validators.MaxValueValidator(23)],
                    ),
                ),
                (
                    "after_labels",
                    models.PositiveIntegerField(
                        blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                (
                    "after_decisions",
                    models.PositiveIntegerField(
                        blank=True, null=True, validators=[django.core.validators.MinValueValidator(1)]
                    ),
                ),
                (
                    "promotes_by_itself",
                    models.BooleanField(
                        default=False,
                        help_text="A new model that is better than the one in use, chance allowed for, replaces it.",
                    ),
                ),
                ("created_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "changed_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "retraining rules",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("schedule__in", ["off", "daily", "weekly"])),
                        name="retraining_rules_schedule_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("hour__lte", 23)), name="retraining_rules_hour_of_a_day"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("weekday__lte", 6)), name="retraining_rules_weekday_known"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("after_labels__isnull", True), ("after_labels__gte", 1), _connector="OR"),
                            models.Q(("after_decisions__isnull", True), ("after_decisions__gte", 1), _connector="OR"),
                        ),
                        name="retraining_rules_counts_positive",
                    ),
                ],
            },
        ),
    ]
