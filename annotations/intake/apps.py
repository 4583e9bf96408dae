from django.apps import AppConfig


class IntakeConfig(AppConfig):
    name = "annotations.intake"
    label = "intake"
