from django.apps import AppConfig


class RankingConfig(AppConfig):
    name = "modeling.ranking"
    label = "ranking"
