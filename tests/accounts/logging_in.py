"""People with a password, and whether it opens the door: asked as a browser asks."""

from django.test import Client

PASSWORD = "the password before"


def with_login(user, password: str = PASSWORD):
    user.set_password(password)
    user.save()
    return user


def opens(username: str, password: str) -> bool:
    return Client().post("/log-in/", {"username": username, "password": password}).status_code == 302
