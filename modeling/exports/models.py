from __future__ import annotations

from pathlib import Path

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from annotations.models import User
from energyapp.jobs.models import Job


class Export(models.Model):
    """A table that somebody asked for as a file. Its job says how it goes; the file is kept for some days."""

    class Format(models.TextChoices):
        CSV = "csv", "CSV"
        JSON_LINES = "jsonl", "JSON Lines"
        PARQUET = "parquet", "Parquet"

    job = models.OneToOneField(Job, models.PROTECT, related_name="export")
    requested_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="exports")
    table = models.CharField(max_length=20, help_text="Which one: see modeling.exports.tables.")
    format = models.CharField(max_length=7, choices=Format, default=Format.CSV)
    is_pseudonymous = models.BooleanField(help_text="People are told apart, but not by their names.")
    feature_set = models.CharField(max_length=40, blank=True, help_text="Of the table of features.")
    created_at = models.DateTimeField(default=timezone.now)
    # Written in the one transaction that ends the job.
    file = models.CharField(max_length=100, blank=True)
    n_rows = models.PositiveBigIntegerField(null=True)
    n_bytes = models.PositiveBigIntegerField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    removed_at = models.DateTimeField(null=True, help_text="When its file was, to make room.")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(name="export_format_known", condition=Q(format__in=["csv", "jsonl", "parquet"])),
            models.CheckConstraint(
                name="export_results_all_or_none",
                condition=Q(file="", sha256="", n_rows__isnull=True, n_bytes__isnull=True)
                | ~Q(file="") & ~Q(sha256="") & Q(n_rows__isnull=False, n_bytes__isnull=False),
            ),
            models.CheckConstraint(
                name="export_removed_after_it_was_there", condition=Q(removed_at=None) | ~Q(file="")
            ),
        ]

    def __str__(self) -> str:
        return f"export {self.pk}: {self.table}"

    @property
    def path(self) -> Path:
        return settings.EXPORTS_DIR / self.file

    @property
    def download_name(self) -> str:
        """As it is called on the machine of whoever asked.

        >>> Export(pk=3, table="labels", format="csv").download_name
        'energy-labels-3.csv'
        """
        return f"energy-{self.table}-{self.pk}.{self.format}"

    @property
    def is_there(self) -> bool:
        return bool(self.file) and self.removed_at is None
