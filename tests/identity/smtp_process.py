"""An SMTP server in a process of its own (aiosmtpd), with TLS from the first byte or by STARTTLS, that asks for a
password and keeps each mail as a file.

`python -m tests.identity.smtp_process starttls|smtps CERTIFICATE FOLDER` prints its port.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

HOST = "127.0.0.2"
USER, PASSWORD = "m@il", "p:w/d"


class Keeper:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        how = "tls" if session.ssl or server.transport.get_extra_info("ssl_object") else "plain"
        (self._folder / f"{len(list(self._folder.iterdir()))}.{how}.eml").write_bytes(envelope.content)
        return "250 kept"


def authenticated(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login.decode(), data.password.decode()) == (USER, PASSWORD)
    return AuthResult(success=right, handled=False)


async def serve(how: str, certificate: str, folder: Path) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    starts = how == "starttls"

    def protocol() -> SMTP:
        return SMTP(
            Keeper(folder),
            authenticator=authenticated,
            auth_required=True,
            auth_require_tls=starts,
            tls_context=tls if starts else None,
            require_starttls=starts,
        )

    server = await asyncio.get_running_loop().create_server(protocol, HOST, 0, ssl=None if starts else tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
