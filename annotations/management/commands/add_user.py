import getpass

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from annotations.models import User
from annotations.roles import ROLE_PERMISSIONS


class Command(BaseCommand):
    help = "Add somebody who may log in, or give them another role or password. The password is asked for."

    def add_arguments(self, parser):
        parser.add_argument("username")
        parser.add_argument("--role", required=True, choices=list(ROLE_PERMISSIONS))
        parser.add_argument("--name", default="", help="the name that others see")

    def handle(self, *, username: str, role: str, name: str, **options):
        first_name, _, last_name = name.partition(" ")
        with transaction.atomic():
            user, is_new = User.objects.get_or_create(username=username)
            if name:
                user.first_name, user.last_name = first_name, last_name
            password = getpass.getpass(f"Password for {username}: ")
            try:
                user.full_clean(exclude=["password"])
                validate_password(password, user)
            except ValidationError as error:
                raise CommandError(" ".join(error.messages)) from None
            user.set_password(password)
            user.save()
            user.groups.set([Group.objects.get(name=role)])
        self.stdout.write(f"{username} {'can now log in' if is_new else 'was changed'} as {role}.")
