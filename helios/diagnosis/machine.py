"""Checks of the machine and of what is installed. Needs nothing but the standard library to begin with."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from helios.diagnosis.finding import Finding

PROJECT = Path(__file__).resolve().parents[2]
OLDEST_PYTHON = (3, 11)
NATIVE_MODULES = (
    "asyncpg.protocol",
    "cryptography.hazmat.bindings._rust",
    "numpy",
    "onnxruntime",
    "pydantic_core",
    "temporalio.bridge.temporal_sdk_bridge",
    "tokenizers",
    "uuid_utils",
)
"""Packages with machine code: where one has no build for this machine, nothing else tells so clearly."""
DISK_NEEDED = 1_000_000_000
DISK_COMFORTABLE = 4_000_000_000
MEMORY_COMFORTABLE = 1_800_000_000
FILES_COMFORTABLE = 1024
INSTALL = "Run `make setup` in the project's folder: it installs exactly what requirements.lock names."


def python() -> Finding:
    """The interpreter's version."""
    version = platform.python_version()
    where = f"Python {version} on {platform.system()} {platform.machine()}"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("python", "wrong", f"{where}: too old.", "Install Python 3.11 or newer, then `make clean up`.")
    return Finding("python", "ok", f"{where}.")


def packages() -> Iterator[Finding]:
    """What is locked is installed, and its machine code loads here."""
    locked, installed = PROJECT / "requirements.lock", Path(sys.prefix) / "requirements.lock"
    if installed.exists() and installed.read_bytes() != locked.read_bytes():
        yield Finding("packages", "note", "The lock file changed since the packages were installed.", INSTALL)
    missing = [name for name in NATIVE_MODULES if importlib.util.find_spec(name.partition(".")[0]) is None]
    if missing:
        what = f"Not installed for {sys.executable}: {', '.join(name.partition('.')[0] for name in missing)}."
        yield Finding("packages", "wrong", what, INSTALL)
        return
    # In another process: machine code that does not fit may end the one that loads it. The last name printed is its.
    code = "import importlib, sys\nfor name in sys.argv[1:]: print(name, flush=True); importlib.import_module(name)"
    trial = subprocess.run(
        [sys.executable, "-c", code, *NATIVE_MODULES], capture_output=True, text=True, check=False, cwd=PROJECT
    )
    if trial.returncode != 0:
        name = (trial.stdout.split() or ["Python"])[-1]
        error = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
        yield Finding("packages", "wrong", f"{name} does not load: {error}", _library_fix(error))
        return
    yield Finding("packages", "ok", "All locked packages are installed, and their machine code loads.")


def _library_fix(error: str) -> str:
    if "GLIBC" in error or "musl" in error:
        return "This system's C library is too old or another one: use a current Debian or Ubuntu, or `docker compose`."
    for library, package in (("libz.so", "zlib1g"), ("libstdc++", "libstdc++6"), ("libgomp", "libgomp1")):
        if library in error:
            return f"A shared library is missing. On Debian or Ubuntu: apt-get install {package}"
    return f"{INSTALL} If it stays, this machine ({platform.machine()}) has no build of it: use `docker compose`."


def server_programs() -> Iterator[Finding]:
    """PostgreSQL, Valkey and Temporal start far enough to tell their versions."""
    from helios.embedded import postgres, temporal, valkey
    from helios.embedded.errors import StackError

    def postgres_program() -> Path:
        return postgres.programs() / "postgres"

    finders = (postgres_program, valkey.program, temporal.program)
    for find in finders:
        try:
            program = find()
        except StackError as error:
            yield Finding("servers", "wrong", str(error), INSTALL)
            continue
        trial = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
        if trial.returncode == 0:
            yield Finding("servers", "ok", f"{trial.stdout.strip().splitlines()[0]}.")
        else:
            error_line = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
            yield Finding("servers", "wrong", f"{program.name} does not run: {error_line}", _library_fix(error_line))


def account(home: Path) -> Finding:
    """As root: is there a way to run PostgreSQL, which refuses to be root, with its data in this place?"""
    from helios.embedded.account import choose_account, is_root
    from helios.embedded.errors import StackError
    from helios.embedded.postgres import programs

    if not is_root():
        return Finding("account", "ok", f"An ordinary account (user id {os.geteuid()}).")
    try:
        with tempfile.TemporaryDirectory(dir=existing(home), prefix=".doctor-") as folder:
            chosen = choose_account(programs() / "postgres", Path(folder), Path(folder) / "log")
    except (OSError, StackError) as error:
        return Finding("account", "wrong", str(error), "Run as an ordinary user.")
    means = {
        "switch": "PostgreSQL runs as `nobody`",
        "switch-keeping-reach": "PostgreSQL runs as `nobody`, with the right to pass through root's closed folders",
        "namespace": "PostgreSQL runs in a user namespace, where it does not see itself as root",
    }
    return Finding("account", "ok", f"This is root: {means[chosen.way] if chosen else 'nothing special is needed'}.")


def existing(path: Path) -> Path:
    """`path`, or the nearest folder above it that exists."""
    return next(folder for folder in (path, *path.parents) if _is_folder(folder))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # it lies in a folder that this account may not look into
        return False


def disk(home: Path) -> Finding:
    """Room for the data."""
    free = shutil.disk_usage(existing(home)).free
    text = f"{free / 1e9:.1f} GB free for {home}."
    if free < DISK_NEEDED:
        return Finding("disk", "wrong", text, "Free at least 1 GB, or set HELIOS_HOME to a folder on a larger disk.")
    if free < DISK_COMFORTABLE:
        return Finding("disk", "note", text, "Enough to try it; more than 4 GB is better.")
    return Finding("disk", "ok", text)


def memory() -> Finding:
    """Room for the processes, where the system tells."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return Finding("memory", "ok", "Not known on this system; the stack takes about 1.3 GB.")
    text = f"{available / 1e9:.1f} GB of memory available; the stack takes about 1.3 GB."
    if available < MEMORY_COMFORTABLE:
        return Finding("memory", "note", text, "Close other programs, or run one worker: HELIOS_WORKERS=1.")
    return Finding("memory", "ok", text)


def open_files() -> Finding:
    """How many connections one process may hold."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < FILES_COMFORTABLE:
        return Finding(
            "files", "note", f"A process may open {soft} files: few for many open streams.", "Run `ulimit -n 4096`."
        )
    return Finding("files", "ok", f"A process may open {soft} files (at most {hard}).")


def clock() -> Finding:
    """Deadlines and tokens go by the clock. Without a network it can only be compared with the code's own age."""
    newest = max(path.stat().st_mtime for path in (PROJECT / "requirements.lock", Path(__file__)))
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < newest - 86_400:
        fix = "Set the clock (for example: timedatectl set-ntp true): tokens and deadlines go by it."
        return Finding("clock", "wrong", f"The clock says {shown}, which is before this code was put here.", fix)
    return Finding("clock", "ok", f"The clock says {shown}.")


def weights() -> Finding:
    """The local models' files are the published ones."""
    from helios.models.weights import WeightsError, find_encoder_files, find_language_file

    try:
        find_encoder_files()
        find_language_file()
    except WeightsError as error:
        return Finding("models", "wrong", str(error), INSTALL)
    return Finding("models", "ok", "The local models' files are there, and their hashes are the published ones.")
