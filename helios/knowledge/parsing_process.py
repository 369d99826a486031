"""Parses one document in a process of its own, which may be killed: what people upload may be made to hang or to swell.

As a module it is that process: the document on its standard input, its media type as the argument, the text on its
standard output. It reads no setting and holds no key. Limits: 30 s of CPU, 512 MiB of memory, no file written.
"""

from __future__ import annotations

import asyncio
import resource
import sys
from contextlib import suppress

from helios.knowledge.parsing import ParsingError, to_text
from helios.settings import PROJECT

CPU_S = 30
MEMORY = 512 * 1024 * 1024
WALL_S = 90.0
"""On a busy machine 30 s of CPU take longer; a process that waits for something takes for ever."""
REFUSED = 3


async def parse_apart(original: bytes, media_type: str, *, cpu_s: int = CPU_S, wall_s: float = WALL_S) -> str:
    """As `to_text`. Raises `ParsingError`, of code `too_costly` where a limit was met, `malformed` where it crashed."""
    argv = (sys.executable, "-m", __name__, media_type, str(cpu_s))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL, cwd=PROJECT, env={"PYTHONUTF8": "1"}
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(original), wall_s)
    except TimeoutError:
        raise ParsingError("too_costly") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == 0:
        return output.decode()
    if process.returncode == REFUSED:
        raise ParsingError(output.decode())
    # Killed by the limit of its CPU time, or crashed.
    raise ParsingError("too_costly" if (process.returncode or 0) < 0 else "malformed")


def main(media_type: str, cpu_s: int) -> int:
    """The exit code: 0 with the text, 3 with the code of a refusal on the standard output."""
    for limit, most in ((resource.RLIMIT_CPU, cpu_s), (resource.RLIMIT_AS, MEMORY), (resource.RLIMIT_FSIZE, 0)):
        with suppress(OSError, ValueError):  # not every platform has each of them
            resource.setrlimit(limit, (most, most))
    try:
        text = to_text(sys.stdin.buffer.read(), media_type)
    except ParsingError as error:
        return _say(error.code)
    except (MemoryError, RecursionError):
        return _say("too_costly")
    sys.stdout.buffer.write(text.encode())
    return 0


def _say(code: str) -> int:
    sys.stdout.buffer.write(code.encode())
    return REFUSED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
