"""Test settings: no deadlines, since the first call of a compiled function takes long."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("project", deadline=None)
settings.load_profile("project")
