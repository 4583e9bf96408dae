from django.apps import AppConfig


class ExportsConfig(AppConfig):
    name = "modeling.exports"
    label = "exports"
