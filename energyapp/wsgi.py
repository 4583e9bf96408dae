import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "energyapp.settings")

application = get_wsgi_application()

from energyapp.startup import refuse_demo_accounts_in_production  # noqa: E402  (needs the applications loaded)

refuse_demo_accounts_in_production()
