"""What can be wrong with the user's words, and how it is said. Imports nothing of the project."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where (`path`, e.g. ``pool[0].accelerator``), what, and how to mend it."""

    path: str
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        return f"{where}{self.message}" + (f"\n    {self.hint}" if self.hint else "")


class UserError(Exception):
    """The user's file or words are wrong; the command line prints every fault and exits with code 2."""

    def __init__(self, faults: Iterable[Fault] | Fault | str, source: str = ""):
        if isinstance(faults, str):
            faults = Fault("", faults)
        self.faults: tuple[Fault, ...] = (faults,) if isinstance(faults, Fault) else tuple(faults)
        self.source = source
        super().__init__("\n".join(str(f) for f in self.faults))


class ScenarioError(UserError):
    """A scenario that cannot be read, is invalid, or cannot run."""


class CatalogError(UserError):
    """A name that no catalog holds, or a catalog file that is malformed."""


class Interrupted(Exception):
    """The run was stopped by the user before it ended."""


def nearest(word: str, choices: Iterable[str], *, limit: int = 3) -> list[str]:
    """The choices most like `word`, best first, compared without case, spaces, dashes and underscores."""
    table = {_plain(c): c for c in reversed(list(choices))}
    found = difflib.get_close_matches(_plain(word), table, n=limit, cutoff=0.5)
    found += [p for p in table if p.startswith(_plain(word)) and p not in found]
    return [table[p] for p in found[:limit]]


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """``did you mean "x"?`` or, with nothing near, the empty string."""
    found = nearest(word, choices)
    *others, last = (repr_plain(f) for f in found) if found else ("",)
    return f"did you mean {', '.join(others)}{' or ' if others else ''}{last}?" if found else ""


def repr_plain(value: object) -> str:
    """A value as the user wrote it: strings in double quotes."""
    return f'"{value}"' if isinstance(value, str) else str(value)


def _plain(word: str) -> str:
    return word.lower().replace("-", "").replace("_", "").replace(" ", "").replace(".", "")
