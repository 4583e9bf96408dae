from __future__ import annotations

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    """Somebody who labels, leads or administers. Imported annotators have an alias and no usable password."""

    alias = models.CharField(
        max_length=100, unique=True, null=True, blank=True, help_text="annotator_id in imported files"
    )
    is_demo = models.BooleanField(default=False, help_text="Made by make_demo; production refuses to start with one.")

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.alias or self.username
