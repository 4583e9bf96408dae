"""Leaving an annotator out of training, and taking them back: the newest word holds, from the next training on."""

from django.db import transaction
from django.utils import timezone

from annotations.models import AnnotatorExclusion, User


class NothingToDo(Exception):
    """It is so already; the message says who made it so."""


@transaction.atomic
def say(*, annotator: User, is_excluded: bool, note: str, decided_by: User) -> AnnotatorExclusion:
    """Leave this annotator's labels out of training, or take them back in. The labels themselves stay, and are shown.

    Raises
    ------
    NothingToDo
        It is so already: said by this lead a moment ago, or by another.
    """
    # Locked, so that of two leads who decide at once the second finds what the first has said.
    User.objects.select_for_update(no_key=True).get(pk=annotator.pk)
    last = annotator.exclusions.select_related("decided_by").first()
    if (last is not None and last.is_excluded) == is_excluded:
        raise NothingToDo(_already(annotator, last))
    return AnnotatorExclusion.objects.create(
        annotator=annotator, is_excluded=is_excluded, note=note, decided_by=decided_by
    )


def _already(annotator: User, last: AnnotatorExclusion | None) -> str:
    if last is None:
        return f"{annotator.display_name} was never left out of training: there is nothing to take back."
    name, by = annotator.display_name, last.decided_by.display_name
    done = f"left {name} out of" if last.is_excluded else f"took {name} back into"
    return f"Nothing was done: {by} {done} training already, {timezone.localtime(last.created_at):%d %b %Y %H:%M}."
