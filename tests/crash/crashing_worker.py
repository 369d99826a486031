"""Workers that die where a test says: the product's own, with traps around its functions.

Arguments: the folder of the orders (see `faults.py`) and how many. A parent that has loaded all code forks the workers
and forks another when one is killed, so that a new one takes tasks within a second and a test can kill many.
"""

from __future__ import annotations

import asyncio
import ctypes
import functools
import gc
import importlib
import inspect
import os
import signal
import sys
import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import onnxruntime  # noqa: F401

import worker
from activities import steps, understanding
from activities.warming import warm_up
from helios.knowledge.query import contextual_query
from helios.llm.base import PastMessage
from helios.llm.chain import build_chain
from helios.models.language import LanguageIdentifier
from helios.settings import Settings
from schema.steps import Understanding
from tests.crash.faults import Trap
from tests.crash.points import POINTS, Point, is_local

PR_SET_PDEATHSIG = 1
BY_ITSELF_S = 0.2
"""Pause after a worker that was not killed, for example because it found no server to connect to."""
way: ContextVar[str] = ContextVar("way", default="remote")


def install(trap: Trap) -> None:
    """Puts a trap at every point."""
    _tell_ways()
    for point in POINTS.values():
        owner: Any = importlib.import_module(point.module)
        *path, name = point.attribute.split(".")
        for part in path:
            owner = getattr(owner, part)
        setattr(owner, name, _trapped(getattr(owner, name), point, trap))


def _trapped(function: Callable[..., Any], point: Point, trap: Trap) -> Callable[..., Any]:
    def reached(when: str, args: tuple[Any, ...]) -> None:
        if point.when == when and (point.given is None or args[point.given[0]] == point.given[1]):
            trap.reached(point.name, way.get())

    @functools.wraps(function)
    async def later(*args: Any, **kwargs: Any) -> Any:
        reached("before", args)
        result = await function(*args, **kwargs)
        reached("after", args)
        return result

    @functools.wraps(function)
    def now(*args: Any, **kwargs: Any) -> Any:
        reached("before", args)
        result = function(*args, **kwargs)
        reached("after", args)
        return result

    return later if inspect.iscoroutinefunction(function) else now


def _tell_ways() -> None:
    """Each step knows which kind of conversation it works for; half of them don't ask the provider."""
    run, understand = steps._run, understanding.understand

    async def told(step: Any, resources: Any, work: Any) -> Any:
        ref = getattr(work, "ref", work)
        conversation = getattr(ref, "conversation_id", None)
        way.set("local" if conversation is not None and is_local(conversation) else "remote")
        return await run(step, resources, work)

    async def understand_by_half(resources: Any, ref: Any) -> Understanding:
        found: Understanding = await understand(resources, ref)
        return replace(found, generators=["offline"]) if is_local(ref.conversation_id) else found

    steps._run = told
    setattr(understanding, "understand", understand_by_half)  # noqa: B010


def _serve(folder: Path) -> None:
    """The worker's own life, in the forked process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    install(Trap(folder))
    make_worker = worker.make_worker

    def make_and_tell(*args: Any) -> Any:
        made = make_worker(*args)
        asyncio.get_running_loop().call_soon((folder / f"ready.{os.getpid()}").touch)
        return made

    setattr(worker, "make_worker", make_and_tell)  # noqa: B010
    worker.main()


def _load() -> None:
    """Code and tables that a worker loads when it first needs them. Nothing that starts a thread."""
    build_chain(Settings())
    LanguageIdentifier.load()
    warm_up()
    contextual_query("And abroad?", [PastMessage("customer", "What does a card cost?")], "en")


def main(folder: Path, count: int) -> int:
    """Keeps so many workers running until told to stop."""
    _load()
    # What is there now stays: collecting garbage in a child would copy every page of it.
    gc.collect()
    gc.freeze()
    children: set[int] = set()
    told = False

    def stop(number: int, _frame: Any) -> None:
        nonlocal told
        told = True
        for child in children:
            os.kill(child, number)

    signal.signal(signal.SIGTERM, stop)
    while True:
        while not told and len(children) < count:
            children.add(_fork(folder))
        if not children:
            return 0
        child, status = os.wait()
        children.discard(child)
        (folder / f"ready.{child}").unlink(missing_ok=True)
        if not told and not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            time.sleep(BY_ITSELF_S)


def _fork(folder: Path) -> int:
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _serve(folder)
        os._exit(0)
    return child


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2])))
