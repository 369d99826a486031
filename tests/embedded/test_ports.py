"""Which ports are taken, and what is said when one cannot be."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest

from helios.embedded.errors import StackError
from helios.embedded.home import Home
from helios.embedded.ports import QUIET, USUAL, Claims, choose_ports, is_free
from helios.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


@contextmanager
def listening(port: int = 0) -> Iterator[int]:
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port))
        server.listen()
        yield server.getsockname()[1]


def _choose(home: Home, **asked: int) -> dict[str, int]:
    with Claims() as claims:
        ports = choose_ports(Settings.model_validate({"home": home.root, **asked}), home, claims, unclean=False)
    return {name: getattr(ports, name) for name in USUAL.__dataclass_fields__}


def test_an_asked_for_port_that_is_busy_is_an_error_with_a_way_out(home: Home) -> None:
    with listening() as port, pytest.raises(StackError) as failure:
        _choose(home, postgres_port=port)
    message = str(failure.value)
    assert f"Port {port} is busy" in message
    assert "HELIOS_POSTGRES_PORT" in message
    assert "unset the variable" in message


def test_one_port_asked_for_twice_is_an_error(home: Home) -> None:
    with listening() as port:
        pass
    with pytest.raises(StackError, match=f"Port {port} was asked for twice"):
        _choose(home, postgres_port=port, valkey_port=port)


def test_ports_differ_and_last_from_start_to_start(home: Home) -> None:
    first = _choose(home)
    assert len(set(first.values())) == len(first)
    assert _choose(home) == first


def test_a_busy_port_is_replaced_by_one_that_no_outgoing_connection_gets(home: Home) -> None:
    first = _choose(home)
    with listening(first["valkey"]):
        second = _choose(home)
    assert second["valkey"] != first["valkey"]
    assert second["valkey"] in QUIET or second["valkey"] == USUAL.valkey
    assert {name: port for name, port in second.items() if name != "valkey"} == {
        name: port for name, port in first.items() if name != "valkey"
    }


def test_a_port_list_that_is_damaged_is_made_again(home: Home) -> None:
    home.ports_file.write_text('{"api": "x", ')
    assert is_free(_choose(home)["api"])


def test_two_stacks_that_start_at_once_share_no_port(tmp_path: Path) -> None:
    """The API listens last: what answered on its port was then the other stack's."""
    homes = [Home(tmp_path / name) for name in ("one", "other")]
    with Claims() as claims, Claims() as others:
        chosen = []
        for home, own in zip(homes, (claims, others), strict=True):
            home.prepare()
            chosen.append(choose_ports(Settings(home=home.root), home, own, unclean=False))
    one, other = (set(asdict(each).values()) for each in chosen)
    assert not one & other
