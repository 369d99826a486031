"""A whole stack with stand-ins for the API and the workers, as a process of its own: `up` without the application.

Arguments: what the workers do when they are told to stop, `leave` or `linger`.
"""

from __future__ import annotations

import sys
from functools import partial

from helios.embedded.probes import http_answers
from helios.embedded.progress import progress
from helios.embedded.supervisor import Program, run, running_stack
from helios.settings import settings

API = """
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class Ok(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Ok).serve_forever()
"""
WORKER = {
    "leave": "import time; time.sleep(600)",
    "linger": "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
}


async def body() -> None:
    with progress() as report:
        async with running_stack(settings(), report=report) as stack:
            api = [sys.executable, "-c", API, str(stack.servers.ports.api)]
            worker = [sys.executable, "-c", WORKER[sys.argv[1]]]
            await stack.start(
                Program("api", api, ready=partial(http_answers, stack.servers.api_url + "/healthz")),
                Program("worker-1", worker),
                Program("worker-2", worker),
            )
            stack.announce({"tenant": "demo"})
            await stack.forever()


if __name__ == "__main__":
    sys.exit(run(body, settings()))
