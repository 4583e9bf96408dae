from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("modeling", "0003_experiments_and_intervals")]

    operations = [
        migrations.AddField(
            model_name="trainingrun",
            name="options",
            field=models.JSONField(blank=True, default=dict, help_text="Of its recipe, by name."),
        ),
    ]
