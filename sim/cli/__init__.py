"""The command line: parse, call, print. Each module adds the commands of one kind to the group `main`."""

from sim.cli import claims, compare, imports, look, measured, mix, plan, price, run, scale, sweep
from sim.cli.group import main

__all__ = [
    "claims",
    "compare",
    "imports",
    "look",
    "main",
    "measured",
    "mix",
    "plan",
    "price",
    "run",
    "scale",
    "sweep",
]
