"""The regulated clocks of a ticket: which run, which may be extended to which, and when they warn.

A clock is a row of `tickets.clocks`: `{name, days, unit, due_at, state}`. Its state is `running`; `waiting`: a longer
period that nobody has asked for; `met`, `extended`, `warned` (still running) or `breached`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from helios.refusals import Refused
from schema.clocks import Alarm, Ticking

WARN_AT = 0.75
"""Of the time between the receipt of the message and the deadline."""
TICKING = ("running", "warned")


@dataclass(frozen=True, slots=True)
class Extension:
    """From which clock one may go over to this one, and what the regulation asks for first."""

    of: str
    needs_provisional_credit: bool = False


EXTENSIONS = {
    # 12 CFR 1005.11(c)(2) and (3): 45 days with provisional credit, 90 for point of sale, foreign and new accounts.
    "determination_new_account": Extension("determination"),
    "investigation": Extension("determination", needs_provisional_credit=True),
    "investigation_extended": Extension("investigation", needs_provisional_credit=True),
    # DISP 1.6.2A: exceptional reasons beyond the firm's control.
    "payment_services_response_extended": Extension("payment_services_response"),
    # GDPR Article 12(3): complexity or number of requests.
    "answer_extended": Extension("answer"),
}

Clocks = list[dict[str, Any]]


def with_states(clocks: Sequence[dict[str, Any]]) -> Clocks:
    """Each clock with its state. Longer periods wait until somebody asks for them."""
    return [{"state": "waiting" if each["name"] in EXTENSIONS else "running", **each} for each in clocks]


def ticking(status: str, clocks: Clocks, received_at: datetime) -> Ticking:
    """What is shown of a ticket, and its alarms to come, the earliest first."""
    if status != "open":
        return Ticking("closed")
    alarms = sorted(_alarms(clocks, received_at), key=lambda each: each.at)
    states = {each["state"] for each in clocks}
    shown = next((state for state in ("breached", "warned") if state in states), "open")
    return Ticking(shown, alarms)  # type: ignore[arg-type]


def _alarms(clocks: Clocks, received_at: datetime) -> Iterable[Alarm]:
    for each in clocks:
        due = datetime.fromisoformat(each["due_at"])
        if each["state"] == "running":
            yield Alarm(each["name"], "warning", received_at + (due - received_at) * WARN_AT)
        if each["state"] in TICKING:
            yield Alarm(each["name"], "breach", due)


def rung(clocks: Clocks, alarm: Alarm) -> Clocks | None:
    """The clocks after an alarm. None where it has rung before, or was overtaken by what people did."""
    clock = next((each for each in clocks if each["name"] == alarm.clock), None)
    expected = ("running",) if alarm.kind == "warning" else TICKING
    if clock is None or clock["state"] not in expected:
        return None
    return _with(clocks, alarm.clock, "warned" if alarm.kind == "warning" else "breached")


def met(clocks: Clocks, name: str) -> Clocks:
    """The clocks after what one of them asked for was done, in time or late. Raises `Refused`."""
    clock = _find(clocks, name)
    if clock["state"] not in (*TICKING, "breached"):
        raise Refused("ticket_conflict", f"{name} cannot be met: it is {clock['state']}, so nothing is due by it.")
    return _with(clocks, name, "met")


def extended(clocks: Clocks, name: str, *, provisional_credit: bool, now: datetime) -> Clocks:
    """The clocks after going over to a longer period. Raises `Refused` where the regulation does not allow it."""
    clock, extension = _find(clocks, name), EXTENSIONS.get(name)
    if extension is None:
        raise Refused("ticket_conflict", "No other clock is extended by this one.")
    before = _find(clocks, extension.of)
    if clock["state"] != "waiting":
        raise Refused("ticket_conflict", f"{extension.of} cannot be extended again: {name} is {clock['state']}.")
    if before["state"] not in TICKING:
        why = f"it is {before['state']}, and only a clock that still runs can be"
        raise Refused("ticket_conflict", f"{extension.of} cannot be extended to {name}: {why}.")
    if datetime.fromisoformat(before["due_at"]) < now:
        raise Refused("ticket_conflict", f"The time of {extension.of} has passed: it cannot be extended any more.")
    if extension.needs_provisional_credit and not provisional_credit:
        raise Refused("ticket_conflict", "This takes provisional credit to the customer first (12 CFR 1005.11(c)(2)).")
    return _with(_with(clocks, extension.of, "extended"), name, "running")


def _find(clocks: Clocks, name: str) -> dict[str, Any]:
    found = next((each for each in clocks if each["name"] == name), None)
    if found is None:
        names = ", ".join(each["name"] for each in clocks)
        raise Refused("ticket_conflict", f"The ticket's clocks are {names}.")
    return found


def _with(clocks: Clocks, name: str, state: str) -> Clocks:
    return [{**each, "state": state} if each["name"] == name else each for each in clocks]
