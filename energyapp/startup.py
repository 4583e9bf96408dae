"""What production refuses to start with. Settings refuse by themselves; this needs the database."""

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured


def refuse_demo_accounts_in_production() -> None:
    """Raise ImproperlyConfigured when a production server would serve accounts whose passwords were printed.

    Called by the web server only, after `migrate`: a database that cannot answer is an error there too.
    """
    if settings.PRODUCTION and (n_accounts := get_user_model().objects.filter(is_demo=True, is_active=True).count()):
        raise ImproperlyConfigured(
            f"{n_accounts} demo accounts are active. Production does not start with them: "
            "run `manage.py remove_demo_accounts`, then `manage.py add_user` for real people."
        )
