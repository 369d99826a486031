"""Personal data out of texts: typed tokens on the way to a model, masks on the way to a customer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from helios.detection import personal, secrets
from helios.detection.spans import Span, merge, normalise

if TYPE_CHECKING:
    from presidio_anonymizer import AnonymizerEngine

_MASKS = {
    personal.EMAIL: "[email address removed]",
    personal.PHONE: "[phone number removed]",
    personal.IBAN: "[IBAN removed]",
    personal.US_SSN: "[social security number removed]",
    personal.PERSON: "[name removed]",
    personal.ACCOUNT: "[account number removed]",
    "STREET_ADDRESS": "[address removed]",
    "UK_POSTCODE": "[postcode removed]",
    "DE_PLZ": "[postcode removed]",
    "DATE_OF_BIRTH": "[date of birth removed]",
    "IP_ADDRESS": "[network address removed]",
    "MAC_ADDRESS": "[network address removed]",
}
NAMED = frozenset(_MASKS)
"""Kinds with a mask of their own; another's is general."""
ALWAYS_MASKED = frozenset({personal.CARD, secrets.CVV, secrets.PIN, secrets.PASSWORD, secrets.CODE, secrets.TRACK})
_DIGITS_ONLY = frozenset({personal.PHONE, personal.US_SSN, personal.ACCOUNT, personal.CARD, personal.IBAN})


@dataclass(slots=True)
class Tokens:
    """Which token stands for which value. One object serves all texts of a turn, so equal values get equal tokens."""

    values: dict[str, str] = field(default_factory=dict)
    _tokens: dict[tuple[str, str], str] = field(default_factory=dict)
    _counts: dict[str, int] = field(default_factory=dict)

    def token(self, label: str, value: str) -> str:
        """The token of ``value``, such as <EMAIL_1>, made at its first use."""
        key = (label, _same(label, value))
        if key not in self._tokens:
            self._counts[label] = self._counts.get(label, 0) + 1
            token = f"<{label}_{self._counts[label]}>"
            self._tokens[key] = token
            self.values[token] = value
        return self._tokens[key]


@dataclass(frozen=True, slots=True)
class Tokenised:
    """``tokens`` are those that stand in ``text``, with their values."""

    text: str
    tokens: dict[str, str]


@dataclass(frozen=True, slots=True)
class Redacted:
    """``labels`` name what was removed, each kind once."""

    text: str
    labels: tuple[str, ...]


def tokenise(text: str, spans: Iterable[Span], tokens: Tokens | None = None) -> Tokenised:
    """Put a typed token in the place of each span."""
    tokens = tokens if tokens is not None else Tokens()
    merged = merge(spans)
    standing = [tokens.token(span.label, text[span.start : span.end]) for span in merged]
    return Tokenised(
        _replace(text, list(zip(merged, standing, strict=True))), {token: tokens.values[token] for token in standing}
    )


def restore(text: str, tokens: Mapping[str, str]) -> str:
    """Put the values back. Longer tokens go first, so that <EMAIL_1> does not eat a part of <EMAIL_12>."""
    for token in sorted(tokens, key=len, reverse=True):
        text = text.replace(token, tokens[token])
    return text


def redact_output(
    text: str, allowed_texts: Sequence[str], language: str | None = None, also: Iterable[Span] = ()
) -> Redacted:
    """Mask personal data and secrets in a generated text, except values that an approved passage holds.

    ``also``: what a tenant's own patterns found.
    """
    found = merge([*personal.find(text, language), *secrets.find(text), *also])
    allowed = [normalise(passage).text for passage in allowed_texts]
    kept = [span for span in found if not _approved(text[span.start : span.end], span.label, allowed)]
    if not kept:
        return Redacted(text, ())
    masks = [(span, masked(text[span.start : span.end], span.label)) for span in kept]
    return Redacted(_replace(text, masks), tuple(dict.fromkeys(span.label for span in kept)))


def masked(value: str, label: str) -> str:
    """What stands in the place of a value that is gone for good."""
    if label in ALWAYS_MASKED:
        return secrets.placeholder(value, label)
    return _MASKS.get(label, "[personal number removed]")


def _approved(value: str, label: str, allowed: Sequence[str]) -> bool:
    """Whether the value stands in an approved text; separators inside numbers do not matter. Cards never pass."""
    if label in ALWAYS_MASKED:
        return False
    wanted = _same(label, value)
    if label not in _DIGITS_ONLY:
        return any(wanted in passage for passage in allowed)
    return bool(wanted) and any(wanted in _same(label, passage) for passage in allowed)


def _same(label: str, value: str) -> str:
    """What makes two writings one value: no letter case, and no separators in numbers."""
    folded = normalise(value).text
    if label in _DIGITS_ONLY:
        return "".join(character for character in folded if character.isalnum())
    return " ".join(folded.split())


def _replace(text: str, replacements: list[tuple[Span, str]]) -> str:
    """Each span exchanged by Presidio's engine; one entity type a span, since equal types may be joined there."""
    if not replacements:
        return text
    from presidio_anonymizer.entities import OperatorConfig, RecognizerResult

    results = [
        RecognizerResult(f"{span.label}_{index}", span.start, span.end, span.score)
        for index, (span, _) in enumerate(replacements)
    ]
    operators = {
        f"{span.label}_{index}": OperatorConfig("replace", {"new_value": value})
        for index, (span, value) in enumerate(replacements)
    }
    return _engine().anonymize(text, results, operators).text


@cache
def _engine() -> "AnonymizerEngine":
    # Imported at first use (about 0.2 s): processes that only mask secrets never need it.
    from presidio_anonymizer import AnonymizerEngine

    return AnonymizerEngine()  # type: ignore[no-untyped-call]
