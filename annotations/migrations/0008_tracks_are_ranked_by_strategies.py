"""Strategies rank tracks: a stream says who was given a track so, rules say how many come at random all the same, and of a
ranked track those very like it are kept.

SQLite makes a table anew when a column or a constraint of it changes. The triggers of annotations and of the rules go with
the old tables, and those of flags and decisions, which read annotations, must not be there while there are none: all of
these are set aside and put back, on the way here and on the way back. There is no way back once a label says that it was
ranked: history is not rewritten, and the constraint of before would refuse it.
"""

from importlib import import_module

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models

counted = import_module("annotations.migrations.0005_annotators_of_a_track_are_counted_by_the_database")
held = import_module("annotations.migrations.0007_what_leads_say_is_only_added_to")
REMADE = ["annotations_annotation", "annotations_labellingrules"]


def set_triggers_aside(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        for name in held.TRIGGERS:
            schema_editor.execute(f"DROP TRIGGER {name}", params=None)


def put_triggers_back(apps, schema_editor):
    if schema_editor.connection.vendor == "sqlite":
        only_add = [each.replace("TABLE_NAME", table) for table in REMADE for each in counted.ONLY_ADD["sqlite"]]
        holds = [each for name, body in held.TRIGGERS.items() for each in held._after_insert("sqlite", name, body)]
        for statement in [*only_add, *counted.COUNT["sqlite"], *holds]:
            schema_editor.execute(statement, params=None)


class Migration(migrations.Migration):
    dependencies = [
        ("annotations", "0007_what_leads_say_is_only_added_to"),
    ]

    operations = [
        migrations.RunPython(set_triggers_aside, put_triggers_back),
        migrations.CreateModel(
            name="NearTrack",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("order", models.CharField(max_length=30)),
                (
                    "near",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="+", to="annotations.track"
                    ),
                ),
                (
                    "track",
                    models.ForeignKey(
                        help_text="The ranked one.",
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="annotations.track",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("order", "track", "near"), name="near_track_once_per_order"),
                    models.CheckConstraint(
                        condition=models.Q(("track", models.F("near")), _negated=True), name="near_track_is_another"
                    ),
                ],
            },
        ),
        migrations.RemoveConstraint(
            model_name="annotation",
            name="annotation_stream_known",
        ),
        migrations.RemoveConstraint(
            model_name="lease",
            name="lease_stream_known",
        ),
        migrations.AddField(
            model_name="labellingrules",
            name="random_share",
            field=models.PositiveSmallIntegerField(
                default=20,
                help_text="Per cent of the new tracks that are drawn at random while a strategy ranks the others.",
                validators=[
                    django.core.validators.MinValueValidator(5),
                    django.core.validators.MaxValueValidator(100),
                ],
            ),
        ),
        migrations.AlterField(
            model_name="annotation",
            name="stream",
            field=models.CharField(
                blank=True,
                choices=[
                    ("new", "new track"),
                    ("ranked", "ranked by a strategy"),
                    ("second opinion", "Second"),
                    ("evaluation", "evaluation slice"),
                    ("repeat", "own track again"),
                    ("gold", "gold track"),
                    ("asked", "a lead asked for another label"),
                    ("assigned", "assigned by a lead"),
                ],
                help_text="Why the annotator had been given the track.",
                max_length=14,
            ),
        ),
        migrations.AlterField(
            model_name="lease",
            name="stream",
            field=models.CharField(
                choices=[
                    ("new", "new track"),
                    ("ranked", "ranked by a strategy"),
                    ("second opinion", "Second"),
                    ("evaluation", "evaluation slice"),
                    ("repeat", "own track again"),
                    ("gold", "gold track"),
                    ("asked", "a lead asked for another label"),
                    ("assigned", "assigned by a lead"),
                ],
                default="new",
                max_length=14,
            ),
        ),
        migrations.AddConstraint(
            model_name="annotation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "stream__in",
                        ["", "new", "ranked", "second opinion", "evaluation", "repeat", "gold", "asked", "assigned"],
                    )
                ),
                name="annotation_stream_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="labellingrules",
            constraint=models.CheckConstraint(
                condition=models.Q(("random_share__gte", 5), ("random_share__lte", 100)),
                name="rules_random_share_within_hundred",
            ),
        ),
        migrations.AddConstraint(
            model_name="lease",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "stream__in",
                        ["new", "ranked", "second opinion", "evaluation", "repeat", "gold", "asked", "assigned"],
                    )
                ),
                name="lease_stream_known",
            ),
        ),
        migrations.RunPython(put_triggers_back, set_triggers_aside),
    ]
