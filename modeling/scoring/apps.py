from django.apps import AppConfig


class ScoringConfig(AppConfig):
    name = "modeling.scoring"
    label = "scoring"
