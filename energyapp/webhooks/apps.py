from django.apps import AppConfig


class WebhooksConfig(AppConfig):
    name = "energyapp.webhooks"
    label = "webhooks"
