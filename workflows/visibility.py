"""What ops see of a workflow in the Temporal UI: search attributes to find it by, and its story as current details."""

from __future__ import annotations

from collections import deque

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate

LINES_MAX = 20


def show(values: dict[SearchAttributeKey[str], str | None]) -> None:
    """Sets what has changed; None takes an attribute away.

    A command of the workflow task that is sent anyway, and an event only where something changed.
    """
    known = workflow.info().typed_search_attributes
    changed: list[SearchAttributeUpdate[str]] = [
        key.value_unset() if value is None else key.value_set(value)
        for key, value in values.items()
        if known.get(key) != value
    ]
    if changed:
        workflow.upsert_search_attributes(changed)


class Story:
    """The last things that happened in this run, one a line. It is asked for, never stored: it costs no event."""

    def __init__(self) -> None:
        self._lines: deque[str] = deque(maxlen=LINES_MAX)

    def tell(self, line: str) -> None:
        self._lines.append(f"- {workflow.now():%H:%M:%S} {line}")
        workflow.set_current_details("\n".join(self._lines))
