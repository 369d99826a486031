import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helios.models import build
from helios.models.weights import WeightsError, sha256_of
from helios.settings import PROJECT


def test_build_leaves_one_folder_with_a_manifest_of_true_hashes(tmp_path: Path) -> None:
    built = build.ensure_built(tmp_path)
    folder = tmp_path / build.encoder_name()
    manifest = json.loads((folder / build.MANIFEST).read_text())
    assert manifest == {"name": built.name, "files": {name: sha256_of(folder / name) for name in build.BUILT_FILES}}
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name, f"{folder.name}.lock"]


def test_what_is_built_is_not_built_again_and_a_damaged_file_is_healed(tmp_path: Path) -> None:
    built = build.ensure_built(tmp_path)
    before = built.graph.stat().st_ino
    assert build.ensure_built(tmp_path).graph.stat().st_ino == before

    intact = sha256_of(built.graph)
    built.graph.write_bytes(built.graph.read_bytes()[:-1])
    assert sha256_of(build.ensure_built(tmp_path).graph) == intact


def test_processes_that_ask_at_once_build_it_once(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from helios.models import build;"
        "real = build._build_in_child;"
        "build._build_in_child = lambda *a: (open(sys.argv[2], 'a').write('built\\n'), real(*a));"
        "print('ready', flush=True); sys.stdin.readline(); build.ensure_built(Path(sys.argv[1]))"
    )
    log = tmp_path / "log"
    command = [sys.executable, "-c", code, str(tmp_path / "models"), str(log)]
    running = [
        subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for process in running:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=60)
    assert [process.returncode for process in running] == [0, 0, 0]
    assert log.read_text() == "built\n"


def test_the_lock_of_a_killed_builder_holds_nobody_up(tmp_path: Path) -> None:
    code = (
        "import fcntl, sys, time; f = open(sys.argv[1], 'w'); fcntl.flock(f, fcntl.LOCK_EX);"
        "print('locked', flush=True); time.sleep(600)"
    )
    lock = tmp_path / f"{build.encoder_name()}.lock"
    holder = subprocess.Popen([sys.executable, "-c", code, str(lock)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == "locked\n"
        os.kill(holder.pid, 9)
        holder.wait(timeout=10)
    assert build.ensure_built(tmp_path).graph.is_file()


def test_wrong_weights_end_in_an_error_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "weights").mkdir()
    with pytest.raises(WeightsError, match=r"could not be built: .*model\.safetensors is missing"):
        build.ensure_built(tmp_path / "models", tmp_path / "weights")
    assert not (tmp_path / "models" / build.encoder_name()).exists()
