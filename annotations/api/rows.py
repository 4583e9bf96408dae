"""What a track and a level look like wherever they are sent or answered."""

from typing import Any

from rest_framework import serializers

from annotations.models import MAX_LEVEL, MIN_LEVEL, Track
from energyapp.api.fields import Whole, WholeText


class Level(Whole):
    """In a body."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": MIN_LEVEL, "max_value": MAX_LEVEL, **kwargs})


class LevelText(WholeText):
    """In an address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": MIN_LEVEL, "max_value": MAX_LEVEL, "required": False, **kwargs})


class LevelShown(serializers.IntegerField):
    """In an answer."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": MIN_LEVEL, "max_value": MAX_LEVEL, "read_only": True, **kwargs})


class TrackNamed(serializers.ModelSerializer):
    """A track as lists of other things name it."""

    title = serializers.CharField(source="__str__", read_only=True, help_text="Its uri where it has none.")

    class Meta:
        model = Track
        fields = ["id", "title", "artist"]
