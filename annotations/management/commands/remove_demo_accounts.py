from django.core.management.base import BaseCommand

from annotations.models import User


class Command(BaseCommand):
    help = "Lock the accounts that make_demo made. Their labels stay: history is not deleted."

    def handle(self, **options):
        accounts = User.objects.filter(is_demo=True, is_active=True)
        for user in accounts:
            user.set_unusable_password()
            user.is_active = False
        User.objects.bulk_update(accounts, ["password", "is_active"])
        self.stdout.write(f"{len(accounts)} demo accounts locked.")
