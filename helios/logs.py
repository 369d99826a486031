"""Structured logs: one JSON object a line. Ids, names and counts only; text of a person has no place in a log."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog


def configure(level: str, process: str) -> None:
    """For this process. Libraries' own records go the same way, from warnings on."""
    numeric = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_exception_text,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(process=process)
    root = logging.getLogger()
    root.handlers = [_Forward()]
    root.setLevel(max(numeric, logging.WARNING))


class _Forward(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        cause = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        # The message's template and not the message: its arguments may hold what a log must not. And of that one line:
        # asyncio writes what a task failed of, in its own words, into the second.
        said = str(record.msg).partition("\n")[0][:200]
        structlog.get_logger().log(record.levelno, "library", logger=record.name, message=said, error=cause)


def _without_exception_text(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception is named by its type and place: its text may quote what somebody wrote."""
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else (sys.exc_info()[1] if info else None)
    if error is not None:
        event["error"] = type(error).__name__
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        if trace is not None:
            event["at"] = f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
    return event
