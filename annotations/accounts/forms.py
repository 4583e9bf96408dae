from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.forms import PasswordChangeForm, SetPasswordForm, UserCreationForm

from annotations.accounts.models import LASTS_DAYS, Invitation
from annotations.accounts.services import give_name
from annotations.models import User

MAX_DAYS = 30


class NameField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(label="Name", max_length=150, help_text="As the others see it.", **kwargs)


class Styled:
    """The house's look for the widgets of Django's own forms; and none takes the focus on a page of several."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = "input"
            field.widget.attrs.pop("autofocus", None)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Invitation.Role)


class InvitationForm(Styled, forms.Form):
    role = forms.ChoiceField(choices=Invitation.Role)
    note = forms.CharField(label="Whom it is for", max_length=200, required=False, help_text="A name or an address.")
    lasts_days = forms.IntegerField(label="Days it lasts", min_value=1, max_value=MAX_DAYS, initial=LASTS_DAYS)


class JoinForm(Styled, UserCreationForm):
    """Django's form for a new account, and the name that others see."""

    name = NameField()

    class Meta:
        model = User
        fields = ["username"]

    field_order = ["name", "username", "password1", "password2"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        give_name(self.instance, cleaned.get("name", ""))  # which the password must not resemble
        return cleaned


class ChoosePasswordForm(Styled, SetPasswordForm):
    pass


class NameForm(Styled, forms.Form):
    name = NameField()


class ChangePasswordForm(Styled, PasswordChangeForm):
    pass
