"""People who log in by hand: their passwords are hashed as the server hashes them."""

from django.contrib.auth.hashers import Argon2PasswordHasher
from playwright.sync_api import Page

PASSWORD = "correct horse battery"


def with_password(user):
    """The tests' own hash is quick and worthless; the real server does not know it."""
    user.password = Argon2PasswordHasher().encode(PASSWORD, "salt of this test")
    user.save()
    return user


def log_in(page: Page, username: str, password: str = PASSWORD) -> None:
    """By keyboard: the field for the name has the focus."""
    page.get_by_label("Name").fill(username)
    page.keyboard.press("Tab")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
