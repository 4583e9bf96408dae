from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString

from annotations.templatetags.signed import signed

register = template.Library()


@register.simple_tag
def difference(now: float, before: float, run: int) -> SafeString:
    """How an error (lower is better) has moved since an earlier run.

    >>> difference(0.91, 0.96, 7)
    '<small class="better">−0.05 vs run 7</small>'
    """
    change = now - before
    tone = "muted" if abs(change) < 0.005 else "better" if change < 0 else "worse"
    return format_html('<small class="{}">{} vs run {}</small>', tone, signed(change, 2), run)
