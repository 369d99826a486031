"""A stack whose workers check nothing: what the checks cost is what it does faster.

The product cannot be told to leave a check out, so this takes the place of its workers:
`python -m benchmarks.unchecked` is `helios up`, and with `worker` it is one of them. For `benchmarks.checks` alone.
"""

from __future__ import annotations

import sys
from typing import Any


def replacements() -> list[tuple[Any, str, Any]]:
    """(where, name, what stands there instead), by which nothing is looked for in what is asked, found and written.

    What the API masks on arrival stays masked.
    """
    from activities import masking, poisoning, understanding
    from activities.review import Standard
    from activities.screening import Screened
    from helios.detection import output
    from helios.detection.redaction import Redacted

    def nothing(*_: Any, **__: Any) -> tuple[()]:
        return ()

    def passes(*_: Any) -> output.Verdict:
        return output.Verdict("release")

    def stays(_: Standard, text: str) -> Redacted:
        return Redacted(text, ())

    return [
        (understanding, "screen", lambda *_: Screened((), "answer", None, "")),
        (understanding, "spans_of", nothing),
        (masking, "spans_of", nothing),
        (poisoning, "_instructions", nothing),
        (output, "check_window", passes),
        (output, "check_whole", passes),
        (Standard, "forbidden", nothing),
        (Standard, "redact", stays),
    ]


def main() -> int:
    if sys.argv[1:] == ["worker"]:
        import worker

        for where, name, instead in replacements():
            assert hasattr(where, name), name
            setattr(where, name, instead)
        worker.main()
    from helios.commands.up import serve

    return serve(play_first=False, worker=("-m", "benchmarks.unchecked", "worker"))


if __name__ == "__main__":
    sys.exit(main())
