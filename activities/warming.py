"""What the first turn would otherwise wait for: tables are compiled when they are first used, which takes a second."""

from __future__ import annotations

import numpy as np
from sqlalchemy.orm import configure_mappers

from activities.review import Gate, Standard, review_whole
from activities.screening import screen
from helios.detection.learned import DIMENSION
from helios.detection.output import Context
from helios.detection.personal import find as find_personal_data
from helios.detection.redaction import tokenise
from helios.detection.wording import Wording

# One sentence in each language that has tables of its own, with something for every detector to look at.
SAMPLES = {
    "en": "Hello, what does it cost to send 20 dollars from my account DE00 to someone@example.com?",
    "de": "Guten Tag, was kostet eine Überweisung von meinem Konto an jemand@example.com?",
    "es": "Hola, ¿cuánto cuesta una transferencia desde mi cuenta a alguien@example.com?",
}


def warm_up() -> None:
    """Runs every detector once over harmless samples."""
    configure_mappers()
    for language, sample in SAMPLES.items():
        screen(sample, (), np.zeros(DIMENSION, np.float32))
        tokenise(sample, find_personal_data(sample, language))
        wording = Wording(lambda _: np.zeros(DIMENSION, np.float32))
        context = Context(passages=("A card costs 5 dollars.",), question=sample, language=language, wording=wording)
        standard = Standard(context, language, 1)
        gate = Gate(standard)
        gate.feed(f"{sample} ")
        gate.finish()
        review_whole(sample, standard)
