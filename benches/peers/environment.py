"""The Python environment of the peers: made once, pinned, outside the repository."""

import os
import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "live-discover" / "peers"
VENV = CACHE / "venv"
# DuckDB with its Delta extension, found by PYTHONPATH; see the requirements file for why.
DUCKDB_DELTA = CACHE / "duckdb-delta"


def enter():
    """Makes the environment if needed and starts this program again inside it."""
    if Path(sys.prefix) == VENV:
        return
    if not (VENV / "bin" / "python").exists():
        venv.create(VENV, with_pip=True)
    _install(HERE / "requirements.txt", VENV / "requirements.installed", [])
    _install(
        HERE / "requirements-duckdb-delta.txt",
        CACHE / "duckdb-delta.installed",
        ["--upgrade", "--target", DUCKDB_DELTA],
    )
    os.execv(VENV / "bin" / "python", [VENV / "bin" / "python", *sys.argv])


def _install(requirements, installed, options):
    if installed.exists() and installed.read_text() == requirements.read_text():
        return
    print(f"installing {requirements.name} to {CACHE}", file=sys.stderr)
    subprocess.run([VENV / "bin" / "pip", "install", "--quiet", "-r", requirements, *options], check=True)
    installed.write_text(requirements.read_text())
