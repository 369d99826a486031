"""The doctor's words: what is wrong, and what to do."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from helios.diagnosis import machine, stack
from helios.embedded.home import Home
from helios.embedded.servers import embedded_servers
from helios.settings import PROJECT, Settings
from tests.commanding import Ended, helios
from tests.embedders.embedding_server import EmbeddingServer


def _doctor(*arguments: str, **env: str) -> Ended:
    return helios("doctor", *arguments, env={**os.environ, **env})


def test_a_sound_machine_is_called_sound(tmp_path: Path) -> None:
    ended = _doctor("--json", HELIOS_HOME=str(tmp_path / "home"))
    answer = json.loads(ended.stdout)
    assert (ended.returncode, answer["ok"]) == (0, True), answer
    checks = {finding["check"] for finding in answer["findings"]}
    assert checks >= {"python", "packages", "servers", "models", "home", "account", "disk", "ports", "memory", "clock"}
    assert not (tmp_path / "home").exists()  # it only looks


def test_a_busy_port_and_its_fix_are_named(tmp_path: Path) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", 0))
        busy.listen()
        port = busy.getsockname()[1]
        ended = _doctor(HELIOS_HOME=str(tmp_path), HELIOS_VALKEY_PORT=str(port))
    assert ended.returncode == 1
    assert f"WRONG ports     Port {port}, asked for by HELIOS_VALKEY_PORT, is busy." in ended.stdout
    assert "-> Stop the program that uses it, or choose another port" in ended.stdout
    assert "1 to mend" in ended.stdout


def test_each_embedder_is_named_with_what_is_wrong(tmp_path: Path, lab: EmbeddingServer) -> None:
    key = "sk-SECRET-0123"
    common = {"model": "words", "dimension": 256, "api_key": key}
    known = [
        {"name": "well", "base_url": lab.base_url, **common},
        {"name": "away", "base_url": "http://127.0.0.1:9/v1", **common},
        {"name": "empty", "folder": str(tmp_path)},
    ]
    ended = _doctor(HELIOS_HOME=str(tmp_path / "home"), HELIOS_EMBEDDERS=json.dumps(known))
    assert ended.returncode == 1
    told = [line for line in ended.stdout.splitlines() if " embedders " in line]
    assert [line.split()[0] for line in told] == ["ok", "WRONG", "WRONG"]
    assert "well asks its server: 256 dimensions" in told[0]
    assert "It gives no vector (away: connection failed)" in told[1]
    assert "holds none of model.onnx" in told[2]
    assert key not in ended.stdout


def test_a_setting_that_cannot_be_read_is_named_without_its_value(tmp_path: Path) -> None:
    ended = _doctor(HELIOS_HOME=str(tmp_path), HELIOS_WORKERS="secret-looking")
    assert ended.returncode == 1
    assert "HELIOS_WORKERS: Input should be a valid integer" in ended.stdout
    assert "secret-looking" not in ended.stdout


@pytest.mark.parametrize(
    ("env", "said", "advice"),
    [
        ({"HELIOS_API_PORT": "70000"}, "HELIOS_API_PORT: Input should be less than or equal to 65535.", "or unset"),
        ({"HELIOS_LLM": "offline,gpt"}, "unknown generator 'gpt'; known are openai", "unset HELIOS_LLM"),
        ({"HELIOS_LLM": "openai", "OPENAI_API_KEY": ""}, "openai needs a key: set OPENAI_API_KEY", "unset HELIOS_LLM"),
        ({"HELIOS_HOME": "/dev/null/home"}, "/dev/null is a file, where a folder is needed.", "Set HELIOS_HOME"),
    ],
)
def test_what_would_stop_the_stack_is_named(tmp_path: Path, env: dict[str, str], said: str, advice: str) -> None:
    ended = _doctor(**{"HELIOS_HOME": str(tmp_path), **env})
    wrong = ended.stdout.partition("WRONG")[2]
    assert ended.returncode == 1, ended.stderr
    assert said in wrong
    assert advice in wrong


def test_up_says_at_once_that_a_model_is_unknown(tmp_path: Path) -> None:
    env = {**os.environ, "HELIOS_HOME": str(tmp_path / "home"), "HELIOS_LLM": "gpt"}
    ended = helios("up", env=env)
    assert ended.returncode == 1
    assert ended.stderr == "HELIOS_LLM: unknown generator 'gpt'; known are openai, anthropic, offline.\n"
    assert not (tmp_path / "home").exists()


def test_a_chat_with_a_stack_that_is_gone_points_to_the_doctor(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text(json.dumps({"api_url": "http://127.0.0.1:1", "demo": {"api_key": "k"}}))
    ended = helios("chat", "Hello", env={**os.environ, "HELIOS_HOME": str(tmp_path)})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "The stack does not answer. `python -m helios doctor` says what is wrong.\n"


def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for an ordinary account: root may look everywhere, so the refusal is made here."""
    shut = tmp_path / "shut"
    real = Path.stat

    def refuse(path: Path, **options: bool) -> os.stat_result:
        if shut in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, **options)

    shut.mkdir()
    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(os, "access", lambda path, _mode: Path(path) != shut)
    finding = stack.folder(Home(shut / "in" / "home"))
    assert (finding.verdict, finding.what) == ("wrong", f"{shut} is not writable for this account.")


async def test_a_running_stack_is_recognised(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert stack.holder(home) is None
    async with embedded_servers(Settings(home=home.root)):
        pid = stack.holder(home)
        assert pid == os.getpid()
        words = [finding.what for finding in stack.running(home, pid)]
        assert words[0] == f"A stack runs in {home.root} (process {os.getpid()})."
        assert "no stack.json yet" in words[1]
    assert stack.holder(home) is None


def test_what_a_killed_stack_left_is_a_note_not_a_fault(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.prepare()
    (home.postgres / "data").mkdir()
    (home.postgres / "data" / "postmaster.pid").touch()
    home.stack_file.write_text(json.dumps({"pids": {"api": os.getpid(), "workers": []}}))
    findings = list(stack.leftovers(home))
    assert [finding.verdict for finding in findings] == ["note", "note"]
    assert f"Processes with its ids live: [{os.getpid()}]" in findings[0].what
    assert "carries on with the same data" in findings[0].fix
    assert "recovers the data" in findings[1].fix


def test_dead_processes_of_a_running_stack_are_named(tmp_path: Path) -> None:
    home = Home(tmp_path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    nowhere = {"redis_url": "redis://:p@127.0.0.1:1/0", "postgres_dsn": "postgresql://p@127.0.0.1:1/p"}
    urls = {"api_url": "http://127.0.0.1:1", "temporal_ui_url": "http://127.0.0.1:1", "temporal_namespace": "default"}
    home.stack_file.write_text(json.dumps({"pids": {"api": gone.pid}, **nowhere, **urls}))
    findings = list(stack.running(home, 1))
    wrong = [finding for finding in findings if finding.verdict == "wrong"]
    assert f"processes that are gone: [{gone.pid}]" in wrong[0].what
    assert [finding.what for finding in wrong[1:]] == [
        "PostgreSQL does not answer.",
        "Valkey does not answer.",
        "Temporal does not answer.",
        "The API does not answer.",
        "Nobody says whether the stack is ready.",
    ]
    assert str(home.logs / "postgres.log") in wrong[1].fix


@pytest.mark.parametrize(
    ("detail", "said", "advice"),
    [
        ("Not ready: worker.", "Messages are accepted, but no worker answers them", "worker-*.log"),
        ("Not ready: valkey.", "Not ready: valkey.", "Mend the parts above"),
    ],
)
def test_the_apis_word_on_readiness_is_passed_on(tmp_path: Path, detail: str, said: str, advice: str) -> None:
    class Unready(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(503)
            self.end_headers()
            self.wfile.write(json.dumps({"detail": detail}).encode())

        def log_message(self, *_: object) -> None:
            """Into no test's output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Unready) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        finding = stack._readiness(Home(tmp_path), f"http://127.0.0.1:{server.server_port}")
        server.shutdown()
    assert finding.verdict == "wrong"
    assert said in finding.what
    assert advice in finding.fix


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_is_not_writable_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    finding = stack.folder(Home(tmp_path / "home"))
    tmp_path.chmod(0o700)
    assert finding.verdict == "wrong"
    assert "set HELIOS_HOME" in finding.fix


def test_little_disk_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "DISK_NEEDED", 10**18)
    finding = machine.disk(tmp_path / "not" / "yet")
    assert finding.verdict == "wrong"
    assert "HELIOS_HOME" in finding.fix


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        ("error while loading shared libraries: libz.so.1: cannot open", "apt-get install zlib1g"),
        ("/lib/libc.so.6: version `GLIBC_2.34' not found", "C library is too old"),
        ("invalid ELF header", "no build of it"),
    ],
)
def test_a_library_that_is_missing_has_a_fix(error: str, advice: str) -> None:
    assert advice in machine._library_fix(error)


def test_an_interpreter_without_the_packages_is_told_to_install(tmp_path: Path) -> None:
    bare = subprocess.run(
        [sys.executable, "-S", "-m", "helios", "doctor"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], "HELIOS_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert bare.returncode == 1
    assert "Not installed for" in bare.stdout
    assert "make setup" in bare.stdout
