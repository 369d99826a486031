"""What an operator says of an embedder: an element of `HELIOS_EMBEDDERS`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from schema.embedders import SPACE_DIMENSIONS


class EmbedderConfigError(ValueError):
    """An embedder cannot be made of its settings. The message names what to mend, and no key."""


NAME = r"^[a-z][a-z0-9-]{0,31}$"


class EmbedderConfig(BaseModel):
    """Either a `model` behind an API that speaks OpenAI's protocol, or a `folder` with a model in ONNX."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=NAME)]
    model: str = ""
    base_url: str | None = None
    """Unset: `OPENAI_BASE_URL`, else OpenAI's own."""
    api_key: SecretStr = SecretStr("")
    """Unset: `OPENAI_API_KEY`, and only for the server that it is for."""
    folder: Path | None = None
    dimension: int | None = None
    """Of a remote model; of one in a folder it is found out."""
    multilingual: bool = True
    query_prefix: str | None = None
    chunk_prefix: str | None = None
    """What the model wants before a text, e.g. `query: ` and `passage: `. Unset: what its folder says, or nothing."""
    pooling: Literal["mean", "cls"] | None = None
    """Of a folder's model that gives a vector for each token. Unset: what its folder says, or `mean`."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.name == "local":
            raise ValueError("`local` is the embedder that ships with the product: choose another name")
        if bool(self.model) == (self.folder is not None):
            raise ValueError("name either a `model` or a `folder`")
        if self.model and self.dimension is None:
            raise ValueError("a remote model needs its `dimension`")
        if self.dimension is not None and self.dimension not in SPACE_DIMENSIONS:
            raise ValueError(f"`dimension` is one of {', '.join(map(str, SPACE_DIMENSIONS))}")
        return self

    def written(self) -> dict[str, Any]:
        """As JSON that a child process reads it from again: with its key."""
        told = self.model_dump(mode="json", exclude_defaults=True)
        return {**told, "api_key": self.api_key.get_secret_value()} if "api_key" in told else told
