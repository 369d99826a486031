from pathlib import Path

import pytest

from helios.models.weights import (
    MINILM_FILES,
    WeightsError,
    check_file,
    find_encoder_files,
    find_language_file,
    sha256_of,
)


def test_the_published_files_are_found_in_the_package_and_are_the_pinned_ones() -> None:
    files = find_encoder_files()
    assert sha256_of(files.weights) == MINILM_FILES["model.safetensors"]
    assert sha256_of(files.tokenizer) == MINILM_FILES["tokenizer.json"]
    assert find_language_file().stat().st_size == 938013


def test_a_folder_of_the_operator_takes_the_place_of_the_package(tmp_path: Path) -> None:
    published = find_encoder_files()
    for path in (published.weights, published.tokenizer, published.config):
        (tmp_path / path.name).symlink_to(path)
    assert find_encoder_files(tmp_path).weights == tmp_path / "model.safetensors"


def test_a_changed_file_is_refused_and_named(tmp_path: Path) -> None:
    published = find_encoder_files()
    (tmp_path / "model.safetensors").symlink_to(published.weights)
    (tmp_path / "config.json").symlink_to(published.config)
    (tmp_path / "tokenizer.json").write_bytes(published.tokenizer.read_bytes() + b" ")
    with pytest.raises(WeightsError, match=r"tokenizer\.json is not the published file"):
        find_encoder_files(tmp_path)


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="HELIOS_EMBEDDER_WEIGHTS"):
        find_encoder_files(tmp_path)


def test_check_file_compares_content(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    check_file(path, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    with pytest.raises(WeightsError):
        check_file(path, "0" * 64)
