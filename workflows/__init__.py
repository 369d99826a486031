"""Conversations as durable Temporal workflows: deterministic orchestration, no input or output of its own."""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)  # llama-index-workflows shares this name
