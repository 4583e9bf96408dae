from django import template

register = template.Library()


@register.filter
def signed(value: float, n_decimals: int = 1) -> str:
    """A difference as it is set in print: always with its sign, unless it rounds to nothing.

    >>> signed(0.44), signed(-3.81), signed(-0.04), signed(-0.04, 2)
    ('+0.4', '−3.8', '0.0', '−0.04')
    """
    rounded = round(value, n_decimals)
    sign = "+" if rounded > 0 else "−" if rounded < 0 else ""
    return f"{sign}{abs(rounded):.{n_decimals}f}"
