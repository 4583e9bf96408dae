from django.apps import AppConfig
from django.db.models.signals import post_migrate


class AnnotationsConfig(AppConfig):
    name = "annotations"

    def ready(self) -> None:
        from annotations.roles import grant_role_permissions

        # Django makes the permissions themselves in post_migrate: a data migration would run before they exist.
        post_migrate.connect(grant_role_permissions, sender=None, dispatch_uid="role permissions")
