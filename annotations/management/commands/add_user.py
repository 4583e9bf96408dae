import getpass

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotations.models import User
from annotations.roles import ROLE_PERMISSIONS
from energyapp.audit.models import AuditEntry


class Command(BaseCommand):
    help = "Add somebody who may log in, or give them another role or password. The password is asked for."

    def add_arguments(self, parser):
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=list(ROLE_PERMISSIONS))
        parser.add_argument("--name", default="", help="the name that others see")

    def handle(self, *, username: str, role: str, name: str, **options):
        user = User.objects.filter(username=username).first() or User(username=username)
        is_new = user.pk is None
        if name:
            user.first_name, _, user.last_name = name.partition(" ")
        # Asked for outside the transaction: on SQLite nobody else could write while somebody types.
        password = getpass.getpass(f"Password for {username}: ")
        try:
            user.full_clean(exclude=["password"])
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        user.set_password(password)
        # Somebody may take over the name of a demo account, which may be locked.
        user.is_active, user.is_demo = True, False
        with transaction.atomic():
            user.save()
            user.groups.set([Group.objects.get(name=role)])
            done = "account made on the server" if is_new else "account changed on the server"
            AuditEntry.objects.record(by=None, action=done, subject=username, role=role)
        self.stdout.write(f"{username} {'can now log in' if is_new else 'was changed'} as {role}.")
