"""Card numbers and secrets out of everything that takes text, before it is stored anywhere: sealed is not enough.

Card data rules: PCI DSS 4, requirement 3. Security codes and PINs may not be kept even encrypted.
"""

from __future__ import annotations

from collections.abc import Mapping

from helios.detection import secrets

Scalar = str | int | float | bool


def clean(value: str) -> str:
    """The text with its secrets masked."""
    return secrets.mask(value).text


def clean_map(values: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The same for a flat map: names, texts, and numbers, which may be a card's as well."""
    return {clean(name): _scalar(value) for name, value in values.items()}


def _scalar(value: Scalar) -> Scalar:
    if isinstance(value, bool):
        return value
    written = f"{value:.0f}" if isinstance(value, float) else str(value)
    masked = clean(written)
    return masked if masked != written or isinstance(value, str) else value
