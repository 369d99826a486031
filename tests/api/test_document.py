"""The API's own document: an example for every parameter, body, answer and error, each true to its schema."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from api.problems import CODES, MEDIA_TYPE
from docs import postman
from helios.settings import PROJECT
from tests.api.operations import resolved
from tests.caller import Api
from tests.published_document import document

DOCUMENT = document()
WELL = ("2", "3")
OPERATIONS = {
    f"{verb.upper()} {path}": operation
    for path, verbs in DOCUMENT["paths"].items()
    for verb, operation in verbs.items()
}


def require_examples(media: dict[str, Any], where: object) -> None:
    """At least one example, and each valid by the schema beside it."""
    found = (
        [media["example"]] if "example" in media else [resolve(each)["value"] for each in media["examples"].values()]
    )
    assert found, where
    validator = Draft202012Validator(resolved(media["schema"], DOCUMENT))
    for example in found:
        wrong = [error.message for error in validator.iter_errors(example)]
        assert not wrong, (where, wrong)


def resolve(value: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in value:
        _, *names = value["$ref"].split("/")
        value = DOCUMENT
        for name in names:
            value = value[name]
    return value


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_has_examples_of_what_is_sent_and_answered(name: str) -> None:
    operation = OPERATIONS[name]
    for media in operation.get("requestBody", {}).get("content", {}).values():
        require_examples(media, name)
    for parameter in operation.get("parameters", ()):
        require_examples(parameter, (name, parameter["name"]))
    good = {status: answer for status, answer in operation["responses"].items() if status.startswith(WELL)}
    assert good, name
    for status, answer in good.items():
        assert answer["description"] != "Successful Response", f"{name}: say what a {status} is (api.described)"
        if status not in ("204", "303"):
            assert answer["content"], (name, status)
        for media in answer.get("content", {}).values():
            require_examples(media, (name, status))


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_error_of_an_operation_is_described_with_an_example(name: str) -> None:
    for status, answer in OPERATIONS[name]["responses"].items():
        if not status.startswith(WELL):
            require_examples(resolve(answer)["content"][MEDIA_TYPE], (name, status))
            codes = resolve(answer)["content"][MEDIA_TYPE]["examples"]
            assert codes.keys() <= CODES.keys()
            assert status == "default" or {CODES[code].status for code in codes} == {int(status)}
    assert resolve(OPERATIONS[name]["responses"]["default"])["content"][MEDIA_TYPE]["examples"].keys() == CODES.keys()


async def test_every_code_is_explained_on_the_page_that_problems_name(api: Api) -> None:
    page = (await api.http.get("/docs/errors")).text
    for code, known in CODES.items():
        example = DOCUMENT["components"]["examples"][code]["value"]
        assert example["type"] == f"/docs/errors#{code}"
        assert f'id="{code}"' in page
        assert str(known.status) in page


async def test_the_served_document_is_this_one(api: Api) -> None:
    assert (await api.http.get("/openapi.json")).json() == json.loads(json.dumps(DOCUMENT))


def test_the_postman_collection_is_up_to_date() -> None:
    kept = (PROJECT / "docs" / "postman.json").read_text(encoding="utf-8")
    assert kept == postman.page(), "make it again: python -m docs.postman > docs/postman.json"


def test_the_postman_collection_holds_every_operation() -> None:
    made = json.loads(postman.page())
    held = {
        f"{item['request']['method']} /{'/'.join(item['request']['url']['path'])}".rstrip("/")
        for folder in made["item"]
        for item in folder["item"]
    }
    assert held == {name.replace("{", ":").replace("}", "") for name in OPERATIONS}
    assert made["info"]["schema"] == "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
