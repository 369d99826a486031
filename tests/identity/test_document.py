"""Every operation of sign-in says what it is, what is sent, what comes back and what can go wrong."""

from __future__ import annotations

from typing import Any

import pytest

from api.models import Body
from api.problems import CODES, MEDIA_TYPE
from tests.published_document import document

DOCUMENT = document()
OPERATIONS: dict[str, dict[str, Any]] = {
    f"{verb.upper()} {path}": about
    for path, verbs in DOCUMENT["paths"].items()
    if path.startswith(("/v1/auth/", "/.well-known/"))
    for verb, about in verbs.items()
}


def test_the_contracts_operations_are_there() -> None:
    auth = "login register refresh logout logout-all password/change password/reset-request password/reset mfa/totp"
    wanted = {f"POST /v1/auth/{name}" for name in (*auth.split(), "mfa/totp/confirm", "stream-tickets")}
    wanted |= {"DELETE /v1/auth/mfa/totp", "GET /v1/auth/me", "GET /v1/auth/sessions", "GET /.well-known/jwks.json"}
    assert OPERATIONS.keys() >= wanted | {"DELETE /v1/auth/sessions/{session_id}"}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_a_summary_and_examples(name: str) -> None:
    about = OPERATIONS[name]
    assert about["summary"]
    assert about["description"].endswith(".")
    success = [answer for status, answer in about["responses"].items() if status.startswith(("2", "3"))]
    assert len(success) == 1
    content = success[0].get("content", {}).get("application/json", {})
    assert {"204", "303"} & about["responses"].keys() or content["example"]
    if "requestBody" in about:
        sent = about["requestBody"]["content"]["application/json"]
        model = next(each for each in Body.__subclasses__() if each.__name__ == _reference(sent["schema"]))
        for example in [sent.get("example"), *(each["value"] for each in sent.get("examples", {}).values())]:
            assert example is None or model.model_validate(example)
        assert "example" in sent or sent["examples"]


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_error_has_an_example_under_its_status(name: str) -> None:
    for status, answer in OPERATIONS[name]["responses"].items():
        if status.startswith(("4", "5")):
            examples = answer["content"][MEDIA_TYPE]["examples"]
            assert examples
            for code, example in examples.items():
                assert example["value"]["code"] == code
                assert CODES[code].status == int(status) == example["value"]["status"]


def _reference(schema: dict[str, Any]) -> str:
    """The name of the body's model, also where there may be no body."""
    named = next(each for each in schema.get("anyOf", [schema]) if "$ref" in each)
    return str(named["$ref"].split("/")[-1])
