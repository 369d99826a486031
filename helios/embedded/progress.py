"""What the stack is doing, for a person: a spinner in a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from helios.embedded.keeper import STARTING, Report


@contextmanager
def progress(stream: TextIO = sys.stderr) -> Iterator[Report]:
    """A report that prints to `stream`. What has the state `starting` spins until it has another state."""
    if not stream.isatty():
        yield lambda title, state: print(f"  {title}: {state}", file=stream, flush=True)
        return
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    busy: list[str] = []
    with console.status("") as status:
        status.stop()

        def report(title: str, state: str) -> None:
            if state == STARTING:
                busy.append(title)
            else:
                if title in busy:
                    busy.remove(title)
                console.print(f"  [bold]{title:<12}[/bold] {state}")
            if busy:
                status.update(f"starting {', '.join(busy)}")
                status.start()
            else:
                status.stop()

        yield report
