"""Under which names people stand in an export."""

from __future__ import annotations

from collections import Counter

from django.utils.crypto import salted_hmac

from annotations.models import User

N_DIGITS = 12


def names_of_people(*, is_pseudonymous: bool) -> dict[int, str]:
    """User id -> annotator_id: what they are called in imported files, else their username.

    As a pseudonym it is the same in each export of this installation, and nobody without its secret key can tell whose.
    """
    people = list(User.objects.values_list("pk", "alias", "username"))
    if is_pseudonymous:
        return {pk: pseudonym(pk) for pk, _, _ in people}
    named = {pk: alias or username for pk, alias, username in people}
    n_of_name = Counter(named.values())
    # An account whose username is somebody else's alias: two people must not become one.
    return {pk: f"{named[pk]}#{pk}" if n_of_name[named[pk]] > 1 and not alias else named[pk] for pk, alias, _ in people}


def pseudonym(user_id: int) -> str:
    digest = salted_hmac("energyapp.exports.pseudonym", str(user_id), algorithm="sha256").hexdigest()
    return f"person-{digest[:N_DIGITS]}"
