from django.apps import AppConfig


class ApiConfig(AppConfig):
    name = "energyapp.api"
    label = "api"
