"""The cache of compiled code is never stale: any change to a source that reaches it is a new directory."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from shutil import copytree

from sim.engine.kernel import jit

ROOT = Path(jit.__file__).parents[3]


def imported(source: Path) -> set[Path]:
    """Files of the project that `source` imports."""
    names = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sim"):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("sim")}
    files = {ROOT / (name.replace(".", "/") + ".py") for name in names}
    return {f.resolve() for f in files if f.exists()}


def test_every_file_the_kernel_imports_is_hashed():
    listed = {p.resolve() for p in jit.sources()}
    for source in listed:
        assert imported(source) <= listed, source


def hash_of(folder: Path) -> str:
    code = "from sim.engine.kernel.jit import source_hash; print(source_hash())"
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True
    ).stdout


def test_a_changed_constant_in_any_source_changes_the_cache_directory(tmp_path):
    copytree(ROOT / "sim", tmp_path / "sim", ignore=lambda *_: ["__pycache__"])
    before = hash_of(tmp_path)
    for source in jit.sources():
        copy = tmp_path / source.relative_to(ROOT)
        text = copy.read_text()
        copy.write_text(text + "\n_CHANGED = 1\n")
        assert hash_of(tmp_path) != before, source
        copy.write_text(text)
    assert hash_of(tmp_path) == before


def test_a_changed_constant_is_seen_by_the_next_process(tmp_path, monkeypatch):
    """The whole of it: compile, change a constant in another file than the entry's, run again."""
    copytree(ROOT / "sim", tmp_path / "sim", ignore=lambda *_: ["__pycache__"])
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    code = (
        "import numpy as np\n"
        "from sim.engine.kernel.jit import entry\n"
        "from sim.engine.kernel.rng import uniform\n"
        "from probe import draw\n"
        "print(draw(np.uint64(1)))"
    )
    (tmp_path / "probe.py").write_text(
        "from sim.engine.kernel.jit import entry\nfrom sim.engine.kernel.rng import uniform\n"
        "@entry\ndef draw(key):\n    return uniform(key, 3)\n"
    )

    def run() -> str:
        return subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
        ).stdout

    first = run()
    assert run() == first
    rng = tmp_path / "sim/engine/kernel/rng.py"
    rng.write_text(rng.read_text().replace("0x9E3779B97F4A7C15", "0x9E3779B97F4A7C17"))
    assert run() != first
