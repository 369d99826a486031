"""Serves the API and its pages. Needs the servers' addresses in HELIOS_* variables."""

from __future__ import annotations

import argparse
from typing import Any

from helios import logs
from helios.loading import loading
from helios.settings import Settings, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default=None, help="address to listen on (default: HELIOS_API_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=int, default=None, help="port (default: HELIOS_API_PORT, 8000)")


def run(args: argparse.Namespace) -> int:
    with loading():
        import uvicorn

        import api.app

    config = settings()
    logs.configure(config.log_level, "api")
    uvicorn.run(
        api.app.create_app,
        factory=True,
        host=args.host or config.api_host,
        port=args.port or config.api_port or 8000,
        log_config=None,
        access_log=False,
        server_header=False,
        # Longer than proxies keep theirs (nginx, AWS: 60 s): who closes first must be the one that sends next.
        timeout_keep_alive=75,
        # Streams last for ever: a stopping server does not wait for them, their clients resume elsewhere.
        timeout_graceful_shutdown=2,
        ws_max_size=128 * 1024,
        http="api.server:Connection",
        **proxies(config),
    )
    return 0


def proxies(config: Settings) -> dict[str, Any]:
    """Options for uvicorn: whose word on where a request comes from is taken. Unset, it would take this machine's."""
    return {"proxy_headers": bool(config.trusted_proxies), "forwarded_allow_ips": list(config.trusted_proxies)}
