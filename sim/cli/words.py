"""Options as people write them: names with commas between, and quantities with their units."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sim.errors import Fault, UserError, did_you_mean


def words(text: str | None) -> list[str]:
    """The words between commas."""
    return [w.strip() for w in (text or "").split(",") if w.strip()]


def known(option: str, given: Sequence[str], allowed: Sequence[str]) -> tuple[str, ...]:
    """The words given, each one of those allowed. Raises UserError."""
    for word in given:
        if word not in allowed:
            hint = did_you_mean(word, allowed) or f"known: {', '.join(allowed)}"
            raise UserError(Fault(option, f'"{word}" is not known', hint))
    return tuple(given)


def quantity(option: str, text: str, parse: Callable[[object], float]) -> float:
    """What `parse` (of `sim.units`) reads in the text. Raises UserError."""
    try:
        return parse(text)
    except ValueError as error:
        raise UserError(Fault(option, str(error))) from None


def above_0(option: str, text: str, parse: Callable[[object], float]) -> float:
    """The same of what must be above 0."""
    value = quantity(option, text, parse)
    if value <= 0:
        raise UserError(Fault(option, f"must be above 0; given {text}"))
    return value
