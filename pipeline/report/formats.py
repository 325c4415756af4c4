"""Numbers as the page writes them; None is written as a dash."""

from __future__ import annotations

DASH = "–"  # noqa: RUF001
NBSP = "\u00a0"  # no line break between a number and its unit
MINUS = "−"  # noqa: RUF001


def count(value: float | None) -> str:
    """A whole number: 289,066."""
    return DASH if value is None else f"{value:,.0f}".replace("-", MINUS)


def percent(value: float | None, digits: int = 2) -> str:
    """A share as per cent: 97.21 %."""
    return DASH if value is None else f"{100 * value:.{digits}f}{NBSP}%"


def tenths(value: float | None) -> str:
    """A share as per cent with one digit: 97.2 %."""
    return percent(value, 1)


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares: 94.95 to 98.48."""
    if low is None or high is None:
        return DASH
    return f"{points(low)} to {points(high)}"


def points(value: float | None) -> str:
    """A share in points: 92.41."""
    return DASH if value is None else f"{100 * value:.2f}"


def signed_points(value: float | None) -> str:
    """A difference of shares in points: +0.84."""
    return DASH if value is None else _signed(100 * value, ".2f")


def signed_percent(value: float | None) -> str:
    """A relative difference: -67.2 %."""
    return DASH if value is None else f"{_signed(100 * value, '.1f')}{NBSP}%"


def microseconds(value: float | None) -> str:
    """A time: 27.7, with a digit after the point below 1,000."""
    if value is None:
        return DASH
    return f"{value:,.1f}" if abs(value) < 1000 else f"{value:,.0f}"


def ratio(value: float | None) -> str:
    """How many times: 3.97."""
    return DASH if value is None else f"{value:,.2f}"


def number(value: float | None) -> str:
    """Three significant digits: 0.00862, 1.2e-07."""
    return DASH if value is None else f"{value:.3g}".replace("-", MINUS)


def text(value: object) -> str:
    """Anything else, as it is."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return DASH if value is None else str(value)


def _signed(value: float, form: str) -> str:
    rounded = format(value, form)
    if float(rounded.replace(",", "")) == 0:
        return rounded.lstrip("-")
    return (MINUS if value < 0 else "+") + rounded.lstrip("-")
