"""Stored output of commands and reports, compared line by line.

UPDATE_GOLDEN=1 in the environment of a test run stores what is printed instead; look at the difference before you
commit it.
"""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = Path(__file__).parent


def check(name: str, text: str) -> None:
    """Compare `text` with the stored file `name`, or store it if asked to."""
    path = FOLDER / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    stored = path.read_text(encoding="utf-8").splitlines()
    assert text.splitlines() == stored
