"""What the benchmark's customers ask: things that the demo bank's knowledge answers."""

from __future__ import annotations

QUESTIONS = (
    "What does it cost to send money abroad?",
    "How do I block my card?",
    "How long does a transfer to another bank take?",
    "How do I change my address?",
    "What is the fee for using my card in another country?",
    "How do I close my savings account?",
    "How can I download a statement?",
    "When is my loan payment due?",
)


def question(n: int) -> str:
    return QUESTIONS[n % len(QUESTIONS)]
