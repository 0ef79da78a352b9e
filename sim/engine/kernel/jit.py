"""How the kernel is compiled, and a cache of it that is never stale.

numba's own cache watches one source file per function, not the helpers and constants that were inlined into it. So
the cache's directory is named by a hash of every source that can reach the machine code: a change to any of them is a
new directory.
"""

from __future__ import annotations

# pyright: reportCallIssue=false, reportAttributeAccessIssue=false, reportPrivateImportUsage=false
# (numba's types do not know all of its options)
import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numba
from numba import njit

_KERNEL = Path(__file__).parent
_KEEP_S = 30 * 86400.0

inlined = njit(
    _nrt=False, forceinline=True, error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True
)
"""For functions that take the plan or the state: passing their many arrays by value costs more than the work.

They cannot be called from Python: unpacking the arrays for that, never used, was half of the time to compile.
"""

scalar = njit(_nrt=False, forceinline=True, error_model="numpy")
"""For helpers that take a few numbers; Python may call them too."""

shared = njit(_nrt=False, error_model="numpy")
"""For helpers that take a few numbers or one array."""


def entry(function):
    """For what Python calls: compiled once, kept on disk, run without the interpreter's lock."""
    with _numba_cache(str(cache_directory())):
        return njit(cache=True, nogil=True, _nrt=False, error_model="numpy")(function)


def sources() -> list[Path]:
    """Every file whose text reaches the compiled kernel."""
    root = _KERNEL.parent.parent
    outside = ("engine/plan.py", "engine/state.py", "metrics/histogram.py")
    return [*sorted(_KERNEL.glob("*.py")), *(root / name for name in outside)]


def source_hash() -> str:
    """Hash of `sources` and of numba's version."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sources():
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def cache_directory() -> Path:
    """Where this version of the kernel is kept: under NUMBA_CACHE_DIR, else the user's cache, else a temporary one."""
    base = numba.config.CACHE_DIR or os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    for root in (
        Path(base) / "datacenter-sim",
        Path(tempfile.gettempdir()) / f"datacenter-sim-{os.getuid()}",
    ):
        directory = root / source_hash()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            os.utime(directory)
            _drop_old(root, directory)
        except OSError:
            continue
        return directory
    return Path(tempfile.mkdtemp(prefix="datacenter-sim-"))


def is_compiled() -> bool:
    """Whether the kernel's machine code is on disk already."""
    return any(cache_directory().rglob("advance.advance-*.nbc"))


def _drop_old(root: Path, current: Path) -> None:
    for directory in root.iterdir():
        if directory != current and directory.is_dir() and time.time() - directory.stat().st_mtime > _KEEP_S:
            shutil.rmtree(directory, ignore_errors=True)


@contextlib.contextmanager
def _numba_cache(directory: str) -> Iterator[None]:
    before = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = directory
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before
