"""The command line: parse, call, print. Each module adds the commands of one kind to the group `main`."""

from sim.cli import compare, look, measured, plan, run, sweep
from sim.cli.group import main

__all__ = ["compare", "look", "main", "measured", "plan", "run", "sweep"]
