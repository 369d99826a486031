"""Makes docs/postman.json from the API's document: `python -m docs.postman > docs/postman.json`.

A collection in Postman's format 2.1, with a request for each operation and its examples as answers. Signing in sets the
variable that the others send.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
from collections import defaultdict
from typing import Any
from urllib.parse import urlencode

from api.app import create_app
from helios.settings import Settings

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
VARIABLES = {"base_url": "http://127.0.0.1:8000", "access_token": "", "api_key": ""}
REMEMBER = "if (pm.response.code === 200) pm.collectionVariables.set('access_token', pm.response.json().access_token);"
SIGNS_IN = ("/v1/auth/login", "/v1/customer-tokens")
BY_HAND = frozenset({"accept", "x-api-key"})
"""Headers that stand elsewhere in the collection, or that Postman sends itself."""


def page() -> str:
    return json.dumps(_collection(create_app(Settings()).openapi()), indent=1, ensure_ascii=False) + "\n"


def _collection(document: dict[str, Any]) -> dict[str, Any]:
    folders: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for path, verbs in document["paths"].items():
        for verb, operation in verbs.items():
            folders[operation.get("tags", ["Other"])[0]].append(_item(verb.upper(), path, operation))
    about = document["info"]
    return {
        "info": {
            "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, about["title"])),
            "name": about["title"],
            "description": about.get("summary", ""),
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{access_token}}", "type": "string"}]},
        "variable": [{"key": name, "value": value} for name, value in VARIABLES.items()],
        "item": [{"name": name, "item": items} for name, items in folders.items()],
    }


def _item(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    request = _request(method, path, operation)
    answers = [
        _answer(status, kind, media, request)
        for status, answer in operation["responses"].items()
        for kind, media in answer.get("content", {}).items()
    ]
    made = {"name": operation.get("summary", path), "request": request, "response": answers}
    if path in SIGNS_IN:
        made["event"] = [{"listen": "test", "script": {"type": "text/javascript", "exec": [REMEMBER]}}]
    return made


def _request(method: str, path: str, operation: dict[str, Any]) -> dict[str, Any]:
    parameters = operation.get("parameters", [])
    made: dict[str, Any] = {
        "method": method,
        "header": [_pair(each, disabled=True) for each in parameters
                   if each["in"] == "header" and each["name"].lower() not in BY_HAND],
        "url": _url(path, parameters),
        "description": operation.get("description", ""),
    }  # fmt: skip
    if any(each["name"] == "X-API-Key" for each in parameters):
        made["auth"] = {"type": "noauth"}
        made["header"].append({"key": "X-API-Key", "value": "{{api_key}}"})
    elif not operation.get("security"):
        made["auth"] = {"type": "noauth"}
    for kind, media in list(operation.get("requestBody", {}).get("content", {}).items())[:1]:
        made["header"].append({"key": "Content-Type", "value": kind})
        made["body"] = {"mode": "raw", "raw": _written(_examples(media)[0]), "options": {"raw": {"language": "json"}}}
    return made


def _url(path: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    path = re.sub(r"\{(\w+)\}", r":\1", path)
    query = [_pair(each, disabled=not each.get("required")) for each in parameters if each["in"] == "query"]
    sent = urlencode([(each["key"], each["value"]) for each in query if not each["disabled"]])
    return {
        "raw": "{{base_url}}" + path + (f"?{sent}" if sent else ""),
        "host": ["{{base_url}}"],
        "path": path.strip("/").split("/"),
        "query": query,
        "variable": [
            {"key": each["name"], "value": str(each["example"])} for each in parameters if each["in"] == "path"
        ],
    }


def _pair(parameter: dict[str, Any], *, disabled: bool) -> dict[str, Any]:
    return {
        "key": parameter["name"],
        "value": str(parameter["example"]),
        "description": parameter.get("description", ""),
        "disabled": disabled,
    }


def _answer(status: str, kind: str, media: dict[str, Any], request: dict[str, Any]) -> dict[str, Any]:
    example = _examples(media)[0]
    return {
        "name": f"{status} {example['code']}" if "problem" in kind else status,
        "originalRequest": request,
        "code": int(status),
        "header": [{"key": "Content-Type", "value": kind}],
        "body": example if isinstance(example, str) else _written(example),
    }


def _examples(media: dict[str, Any]) -> list[Any]:
    return [media["example"]] if "example" in media else [each["value"] for each in media["examples"].values()]


def _written(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


if __name__ == "__main__":
    sys.stdout.write(page())
