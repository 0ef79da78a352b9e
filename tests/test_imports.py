"""Which part may import which, read off the syntax trees, and what commands load, seen in a fresh interpreter."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.samples import ROOT, SMALL

SIM = ROOT / "sim"
FILES = sorted(SIM.rglob("*.py"))
KERNEL_MAY = (
    "numpy",
    "numba",
    "sim.engine.kernel",
    "sim.engine.plan",
    "sim.engine.state",
    "sim.metrics.histogram",
)
LIGHT = ("sim/scenario/", "sim/catalog/", "sim/units.py", "sim/errors.py")
ONLY_IN = {
    "dask": ("sim/study/cluster.py",),
    "distributed": ("sim/study/cluster.py",),
    "plotly": ("sim/report/",),
    "pyarrow": ("sim/results.py",),
    "click": ("sim/cli/",),
}
SCRIPTS = ("sim/cli/", "sim/catalog/_fit_lengths.py", "sim/catalog/_fit_shapes.py")
"""Modules that are run: the command line, and the makers of a data file."""
SEEDED = ("default_rng", "Generator", "SeedSequence", "Philox", "PCG64")


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def imports_of(tree: ast.AST) -> Iterator[str]:
    """Full names of the modules, or of what is taken from them, that a tree imports anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def files_in(*places: str) -> list[Path]:
    return [f for f in FILES if place(f).startswith(places)]


def within(name: str, *packages: str) -> bool:
    return any(name == p or name.startswith(p + ".") for p in packages)


def offences(files: list[Path], *, never: tuple[str, ...]) -> list[str]:
    return [f"{place(f)} imports {n}" for f in files for n in imports_of(tree_of(f)) if within(n, *never)]


def test_there_is_something_to_look_at():
    assert len(FILES) > 50
    assert {place(f).split("/")[1] for f in FILES} >= {"engine", "scenario", "catalog", "economics", "report"}


def test_the_kernel_and_its_histogram_stand_alone():
    files = files_in(
        "sim/engine/kernel/", "sim/engine/plan.py", "sim/engine/state.py", "sim/metrics/histogram.py"
    )
    strangers = [
        f"{place(f)} imports {name}"
        for f in files
        for name in imports_of(tree_of(f))
        if not within(name, *KERNEL_MAY) and name.split(".")[0] not in sys.stdlib_module_names
    ]
    assert strangers == []


def test_reading_and_checking_scenarios_is_light():
    never = ("numba", "pandas", "simpy", "pyarrow", "rich", "sim.engine", "sim.metrics", "sim.workload")
    assert offences(files_in(*LIGHT), never=never) == []


def test_units_and_errors_import_nothing_of_the_project():
    assert offences(files_in("sim/units.py", "sim/errors.py"), never=("sim",)) == []


def test_money_is_reckoned_without_the_engine():
    never = ("numba", "simpy", "numpy", "sim.engine", "sim.metrics", "sim.workload", "sim.cost")
    assert offences(files_in("sim/economics/"), never=never) == []


def test_reports_read_only_what_is_stored():
    packages = {place(f).split("/")[1].removesuffix(".py") for f in FILES} - {
        "report",
        "results",
        "units",
        "errors",
    }
    assert offences(files_in("sim/report/"), never=tuple(f"sim.{p}" for p in packages)) == []


def test_the_cost_of_a_step_knows_no_engine():
    never = ("numba", "simpy", "pandas", "sim.engine", "sim.metrics", "sim.workload", "sim.scenario")
    assert offences(files_in("sim/cost/"), never=never) == []


@pytest.mark.parametrize("package", ONLY_IN)
def test_a_package_stays_where_it_belongs(package):
    elsewhere = [f for f in FILES if not place(f).startswith(ONLY_IN[package])]
    assert offences(elsewhere, never=(package,)) == []


def test_only_the_command_line_prints_and_exits():
    found = []
    for file in FILES:
        for node in ast.walk(tree_of(file)):
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            if called in ("print", "sys.exit", "exit", "quit", "os._exit") and place(file) not in SCRIPTS:
                found.append(f"{place(file)}:{node.lineno} calls {called}")
    assert found == []


def test_no_random_numbers_but_seeded_ones():
    found = []
    for file in FILES:
        found += [f"{place(file)} imports random" for n in imports_of(tree_of(file)) if within(n, "random")]
        for node in ast.walk(tree_of(file)):
            name = ast.unparse(node) if isinstance(node, ast.Attribute) else ""
            if name.startswith(("np.random.", "numpy.random.")) and not name.split(".")[2].startswith(SEEDED):
                found.append(f"{place(file)}:{node.lineno} uses {name}")
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func).endswith("default_rng")
                and not node.args
            ):
                found.append(f"{place(file)}:{node.lineno} takes a random seed")
    assert found == []


def loaded_by(code: str, *arguments: str) -> set[str]:
    """Top-level modules in a fresh interpreter after `code`."""
    program = (
        f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint('\\n' + ' '.join(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True, cwd=ROOT
    )
    return set(run.stdout.splitlines()[-1].split())


@pytest.mark.parametrize(
    "command", [["--help"], ["check", "{scenario}"], ["schema"], ["catalog"], ["run", "--help"]]
)
def test_light_commands_load_nothing_heavy(command, tmp_path):
    scenario = tmp_path / "small.toml"
    scenario.write_text(SMALL)
    arguments = [a.format(scenario=scenario) for a in command]
    loaded = loaded_by("from sim.cli import main; main()", *arguments)
    assert "sim.cli" in loaded
    assert not loaded & {"numba", "pandas", "simpy", "pyarrow", "scipy", "sim.engine.control"}


def test_a_run_loads_no_data_frames(tmp_path):
    """Which take longer to import than most scenarios to simulate; only traces need them."""
    scenario = tmp_path / "small.toml"
    scenario.write_text(SMALL)
    code = "from sim.cli import main; main()"
    loaded = loaded_by(code, "run", str(scenario), "--out", str(tmp_path / "out"), "--log-requests", "9")
    assert (tmp_path / "out" / "result.json").exists()
    assert {"sim.engine.control", "pyarrow"} <= loaded
    assert "pandas" not in loaded


def test_the_package_itself_loads_little():
    loaded = loaded_by("import sim")
    assert not loaded & {"numpy", "pydantic", "numba", "click", "rich"}


def test_the_public_names_are_there():
    import sim

    assert callable(sim.run)
    assert callable(sim.load)
    assert sim.Scenario.__name__ == "Scenario"
    with pytest.raises(AttributeError):
        sim.nothing  # noqa: B018
