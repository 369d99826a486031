"""Builds the encoder once a machine: `python -m helios.models.build --into FOLDER [--weights FOLDER]`.

A process of its own, because `onnx` and 90 MB of float32 weights have no business in a worker's memory. What it writes
lies in a folder named by everything that it was made from, appears in one rename, and carries a manifest of hashes.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from helios.models.weights import MINILM_FILES, WeightsError, find_encoder_files, sha256_of

GRAPH_VERSION = 1
"""Raise it when `graph.py` changes what it computes: vectors made before are then no longer comparable."""
BUILT_FILES = ("encoder.onnx", "tokenizer.json")
MANIFEST = "manifest.json"
BUILD_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class BuiltEncoder:
    """The encoder's built files, hashes checked. `name` tells apart encoders whose vectors are not comparable."""

    name: str
    graph: Path
    tokenizer: Path


def encoder_name() -> str:
    """The name of the encoder that this version of the code builds, e.g. `all-minilm-l6-v2-int8-53aa5117-g1`."""
    return f"all-minilm-l6-v2-int8-{MINILM_FILES['model.safetensors'][:8]}-g{GRAPH_VERSION}"


def ensure_built(model_dir: Path, weights: Path | None = None) -> BuiltEncoder:
    """The encoder under `model_dir`, built first where it is absent or damaged. Takes about 2 s the first time.

    Several processes may ask at once: one builds, the others wait for it. Raises `WeightsError`.
    """
    built = _read(model_dir)
    if built is not None:
        return built
    model_dir.mkdir(parents=True, exist_ok=True)
    with _only_one(model_dir / f"{encoder_name()}.lock"):
        built = _read(model_dir)
        if built is None:
            _build_in_child(model_dir, weights)
            built = _read(model_dir)
    if built is None:
        raise WeightsError(f"The encoder was built into {model_dir}, but its files do not match their manifest.")
    return built


def build(model_dir: Path, weights: Path | None = None) -> None:
    """Builds the encoder into its folder under `model_dir`, replacing what is there. Raises `WeightsError`."""
    import onnx

    from helios.models.graph import build_encoder, read_safetensors

    files = find_encoder_files(weights)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=model_dir) as temporary:
        draft = Path(temporary) / "encoder"
        draft.mkdir()
        onnx.save(build_encoder(read_safetensors(files.weights)), draft / "encoder.onnx")
        shutil.copyfile(files.tokenizer, draft / "tokenizer.json")
        manifest = {"name": encoder_name(), "files": {name: sha256_of(draft / name) for name in BUILT_FILES}}
        (draft / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n")
        final = model_dir / encoder_name()
        # A damaged folder can't be replaced in one rename: it moves aside and goes with the temporary folder.
        if final.exists():
            final.rename(Path(temporary) / "damaged")
        draft.rename(final)


def _build_in_child(model_dir: Path, weights: Path | None) -> None:
    command = [sys.executable, "-m", "helios.models.build", "--into", str(model_dir)]
    if weights is not None:
        command += ["--weights", str(weights)]
    project = Path(__file__).resolve().parents[2]
    child = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=BUILD_TIMEOUT_S, check=False)
    if child.returncode != 0:
        reason = child.stderr.strip().splitlines()[-1:] or [f"exit code {child.returncode}"]
        raise WeightsError(f"The encoder could not be built: {reason[0]}")


def _read(model_dir: Path) -> BuiltEncoder | None:
    folder = model_dir / encoder_name()
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        intact = all(sha256_of(folder / name) == manifest["files"][name] for name in BUILT_FILES)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # absent or half-written by hand: built anew, which either heals it or says why it can't
    return BuiltEncoder(encoder_name(), folder / "encoder.onnx", folder / "tokenizer.json") if intact else None


@contextmanager
def _only_one(lock: Path) -> Iterator[None]:
    # Without it two workers of a first start both build and one renames away the folder that the other is reading.
    # The kernel drops this lock when its holder dies, however it dies: a killed build leaves nothing to clear.
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def main() -> int:
    """The command line of the build."""
    parser = argparse.ArgumentParser(description="Build the local encoder from its published weights.")
    parser.add_argument("--into", type=Path, required=True, help="folder for built models")
    parser.add_argument("--weights", type=Path, help="folder with the published files; the installed package if absent")
    arguments = parser.parse_args()
    try:
        build(arguments.into, arguments.weights)
    except (WeightsError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
