from rest_framework import serializers


class Person(serializers.Serializer):
    """Somebody, as every answer names them."""

    id = serializers.IntegerField(read_only=True)
    name = serializers.CharField(source="display_name", read_only=True)
