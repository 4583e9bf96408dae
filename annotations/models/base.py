"""What every fact about a label shares: the scale, and that history is only added to."""

from __future__ import annotations

from typing import Any

from django.db import models

MIN_LEVEL, MAX_LEVEL = 1, 10
LEVELS = range(MIN_LEVEL, MAX_LEVEL + 1)


class AppendOnlyViolation(Exception):
    """A row that is history was about to be changed. The database refuses it too (migration 0002)."""


class AppendOnly(models.Model):
    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise AppendOnlyViolation(f"{self._meta.verbose_name} {self.pk} is history; add a new row instead")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        raise AppendOnlyViolation(f"{self._meta.verbose_name} {self.pk} is history; it cannot be deleted")
