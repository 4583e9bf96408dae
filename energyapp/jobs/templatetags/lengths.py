"""Lengths of time as people say them."""

import datetime as dt

from django import template

MINUTE, HOUR = 60, 3600

register = template.Library()


@register.filter
def roughly(length: dt.timedelta) -> str:
    """What an estimate may claim: "less than a minute", "4 min", "2 h".

    >>> roughly(dt.timedelta(seconds=200)), roughly(dt.timedelta(hours=2, minutes=20))
    ('3 min', '2 h')
    """
    seconds = length.total_seconds()
    if seconds < MINUTE:
        return "less than a minute"
    return f"{round(seconds / MINUTE)} min" if seconds < 1.5 * HOUR else f"{round(seconds / HOUR)} h"


@register.filter
def exactly(length: dt.timedelta) -> str:
    """
    >>> exactly(dt.timedelta(seconds=7.6)), exactly(dt.timedelta(seconds=200)), exactly(dt.timedelta(hours=2, minutes=20))
    ('8 s', '3 min 20 s', '2 h 20 min')
    """
    seconds = round(length.total_seconds())
    if seconds < MINUTE:
        return f"{seconds} s"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min {seconds % MINUTE} s"
    return f"{seconds // HOUR} h {seconds % HOUR // MINUTE} min"
