"""Runs a worker: conversations, turns and escalations. Needs the servers' addresses in HELIOS_* variables."""

from __future__ import annotations

import argparse
import os
import sys

from helios.settings import PROJECT


def add_arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    os.execv(sys.executable, [sys.executable, str(PROJECT / "worker.py")])  # noqa: S606 - the same interpreter
