"""The command line: parse, call, print. Each module adds the commands of one kind to the group `main`."""

from sim.cli import look, measured, run
from sim.cli.group import main

__all__ = ["look", "main", "measured", "run"]
