"""Scenario files: what a user may write, checked and completed. Importing this stays quick: pydantic only."""

from __future__ import annotations

from sim.scenario.load import build, load, loads
from sim.scenario.resolved import dump_toml, json_schema, resolved, scenario_sha256
from sim.scenario.schema import Scenario

__all__ = ["Scenario", "build", "dump_toml", "json_schema", "load", "loads", "resolved", "scenario_sha256"]
