"""A whole stack as a process: it stops cleanly, leaves no orphan however it is killed, and carries on afterwards."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from helios.embedded.errors import StackError
from helios.embedded.servers import Servers
from helios.embedded.supervisor import Program, Stack
from helios.settings import PROJECT
from tests.embedded.processes import descendants, lives, wait_gone, wait_until

Up = Callable[..., subprocess.Popen[bytes]]
COMMAND = [sys.executable, "-m", "tests.embedded.small_stack"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def up(home: Path) -> Iterator[Up]:
    """Start a stack (or what `argv` says) and wait for its `stack.json`."""
    started: list[subprocess.Popen[bytes]] = []

    def start(workers: str = "leave", argv: list[str] | None = None) -> subprocess.Popen[bytes]:
        env = {**os.environ, "HELIOS_HOME": str(home)}
        with (home.parent / "up.log").open("ab") as log:
            process = subprocess.Popen(argv or [*COMMAND, workers], cwd=PROJECT, env=env, stdout=log, stderr=log)
        started.append(process)
        wait_until(lambda: _stack(home) != {} or process.poll() is not None, "stack.json")
        assert process.poll() is None, (home.parent / "up.log").read_text()
        return process

    yield start
    for process in started:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()


def _stack(home: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((home / "stack.json").read_text()))
    except FileNotFoundError:
        return {}


def _pids(home: Path) -> set[int]:
    pids = _stack(home)["pids"]
    return {*pids["workers"], *(pid for name, pid in pids.items() if name != "workers")}


def test_stack_json_tells_where_all_is_and_stays_true(up: Up, home: Path) -> None:
    up()
    stack = _stack(home)
    assert stack.keys() == {
        *("api_url", "temporal_address", "temporal_namespace", "temporal_ui_url", "codec_url"),
        *("postgres_dsn", "redis_url", "demo", "pids"),
    }
    assert stack["pids"].keys() == {"api", "workers", "postgres", "valkey", "temporal"}
    assert stack["codec_url"] == stack["api_url"] + "/codec"
    assert stack["demo"] == {"tenant": "demo"}
    assert stat.S_IMODE((home / "stack.json").stat().st_mode) == 0o600
    assert all(map(lives, _pids(home)))

    api, worker = stack["pids"]["api"], stack["pids"]["workers"][0]
    os.kill(api, signal.SIGKILL)
    os.kill(worker, signal.SIGKILL)

    def replaced() -> bool:
        pids = _stack(home)["pids"]
        return pids["api"] != api and worker not in pids["workers"] and all(map(lives, _pids(home)))

    wait_until(replaced, "new processes in stack.json")
    assert _stack(home)["pids"]["workers"][1] == stack["pids"]["workers"][1]

    def answers() -> bool:
        with suppress(OSError), urlopen(stack["api_url"], timeout=2) as answer:
            return bool(answer.status == 200)
        return False

    wait_until(answers, "the API on the port it had")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_all_of_it_in_good_order(up: Up, home: Path, number: int) -> None:
    process = up()
    family = descendants(process.pid)
    process.send_signal(number)
    assert process.wait(20) == 0
    assert not any(map(lives, family))
    assert not (home / "stack.json").exists()
    assert "database system is shut down" in (home / "logs" / "postgres.log").read_text().splitlines()[-1]


def test_a_second_ctrl_c_ends_what_does_not_want_to_stop(up: Up, home: Path) -> None:
    process = up("linger")
    family = descendants(process.pid)
    process.send_signal(signal.SIGINT)
    wait_until(lambda: not (home / "stack.json").exists(), "the stop to begin")
    assert process.poll() is None  # the workers have their time to finish
    process.send_signal(signal.SIGINT)
    assert process.wait(5) == 130
    wait_gone(family)


def test_killing_the_supervisor_leaves_no_orphan_and_the_next_start_carries_on(up: Up, home: Path) -> None:
    process = up()
    before, family = _stack(home), descendants(process.pid)
    assert set(family) >= _pids(home)
    process.kill()
    process.wait()
    wait_gone(family)
    (home / "stack.json").rename(home / "stack.json.killed")
    again = up()
    after = _stack(home)
    assert {name: value for name, value in after.items() if name != "pids"} == {
        name: value for name, value in before.items() if name != "pids"
    }
    again.terminate()
    assert again.wait(20) == 0


def test_killing_make_stops_the_stack(up: Up, home: Path) -> None:
    make = up(argv=["make", "--no-print-directory", "-f", str(_makefile(home.parent))])
    family = descendants(make.pid)
    assert set(family) >= _pids(home)
    make.kill()
    make.wait()
    wait_gone(family, timeout_s=15)
    assert not (home / "stack.json").exists()  # it had the time to stop in good order


def _makefile(folder: Path) -> Path:
    """The recipe of `make up`, with a small stack for the command."""
    lines = (PROJECT / "Makefile").read_text().splitlines()
    watch = next(line for line in lines if line.startswith("WATCH :="))
    recipe = next(line for line in lines if line.strip().startswith("@$(WATCH) exec $(HELIOS) up"))
    file = folder / "Makefile"
    file.write_text(f"{watch}\nup:\n\t{recipe.strip().replace('$(HELIOS) up', ' '.join(COMMAND))} leave\n")
    return file


def test_an_asked_for_port_that_is_busy_ends_with_a_clear_message(home: Path) -> None:
    import socket

    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        env = {**os.environ, "HELIOS_HOME": str(home), "HELIOS_API_PORT": str(port)}
        ended = subprocess.run([*COMMAND, "leave"], cwd=PROJECT, env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert f"Port {port} is busy, and HELIOS_API_PORT asks for it." in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_a_program_that_runs_once_gets_the_addresses_and_its_failure_is_told(servers: Servers) -> None:
    code = (
        "import os, sys; sys.exit(0 if os.environ['HELIOS_POSTGRES_DSN'].startswith('postgresql://helios_app') else 1)"
    )
    stack = Stack(servers)
    await stack.run_once(Program("job", [sys.executable, "-c", code]))
    with pytest.raises(StackError, match=r"(?s)^Job failed. The end of its log:.*no such thing$"):
        await stack.run_once(Program("job", [sys.executable, "-c", "sys = exit('no such thing')"], title="Job"))
    with pytest.raises(StackError, match="took more than 0 s"):
        await stack.run_once(Program("job", [sys.executable, "-c", "import time; time.sleep(60)"]), timeout_s=0.3)
