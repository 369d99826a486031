"""What the numbers were measured on and with."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import psutil

from helios.embedded.postgres import programs
from helios.embedded.temporal import program
from helios.settings import PROJECT

PACKAGES = ("temporalio", "langgraph", "langgraph-checkpoint-postgres", "psycopg", "sqlalchemy", "asyncpg", "fastapi")


def facts(command: str) -> dict[str, str]:
    """Name → value, in the order to print."""
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return {
        "Date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "Command": command,
        "Commit": _output(["git", "-C", str(PROJECT), "rev-parse", "--short", "HEAD"]),
        "Processor": f"{_processor()}, {os.cpu_count()} logical cores",
        "Memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "System": f"{platform.system()} {platform.release()}, {platform.machine()}",
        "Load average before": load,
        "Python": platform.python_version(),
        "PostgreSQL": _output([str(programs() / "postgres"), "--version"]).split()[-1],
        "Temporal": _output([str(program()), "--version"]),
        **{name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _output(argv: list[str]) -> str:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=True, timeout=20).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
