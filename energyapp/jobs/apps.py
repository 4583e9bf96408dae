from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "energyapp.jobs"
    label = "jobs"
