from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "energyapp.audit"
    label = "audit"
