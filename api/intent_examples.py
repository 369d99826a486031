"""A tenant's intents as the API's document shows them."""

from __future__ import annotations

from typing import Any

from api.rule_examples import VERSION

BODY = {
    "note": "Parents ask for them in August",
    "intents": [
        {
            "name": "school_fees",
            "examples": [
                "Can I pay the school fees here?",
                "How do I transfer my daughter's tuition?",
                "The university wants a deposit, can you send it",
                "pay school fees abroad",
                "standing order for kindergarten fees",
            ],
        }
    ],
}
_DEFINITION = {"intents": {"school_fees": {"examples": 24, "sha256": "9f86d081…"}}}
_FIGURES = {"accuracy": 0.74, "out_of_scope_auroc": 0.93}
_REPORT: dict[str, Any] = {
    "folds": 5, "alike": 0.9, "groups": 811, "examples": 837, **_FIGURES,
    "intents": {"school_fees": {"examples": 24, "recall": 0.92, "precision": 0.88}},
    "confused": [{"is": "school_fees", "said": "transfer_abroad", "times": 2}],
    "against": {"version": 1, "asked": 813, "new": _FIGURES, "published": _FIGURES},
    "languages": {"en": 837}, "embedder": "all-MiniLM-L6-v2", "weights_bytes": 1174830, "training_s": 9.4,
}  # fmt: skip
INTENTS: dict[str, Any] = {
    **VERSION,
    "status": "trained",
    "note": "Parents ask for them in August",
    "definition": _DEFINITION,
    "effective": _DEFINITION,
    "progress": {"examples_total": 837, "examples_done": 837},
    "failure": None,
    "report": _REPORT,
}
DRAFT = {**INTENTS, "status": "draft", "progress": {"examples_total": 837, "examples_done": 0}, "report": None}
