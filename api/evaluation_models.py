"""Bodies of requests about evaluations."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, Field, StrictInt, StrictStr

from api.models import Body, SourceFile, spoken

Number = Annotated[StrictInt, Field(ge=1, le=2**31 - 1, examples=[2])]


class NewSuite(Body):
    """The suite as YAML: as `document`, or as a `file` whose name ends in .yaml."""

    document: Annotated[StrictStr, Field(min_length=1, max_length=60_000), AfterValidator(spoken)] | None = None
    file: SourceFile | None = None


class DraftedArticle(Body):
    source_id: UUID
    version: Number


class DraftedVersions(Body):
    """What would be published: versions of rules, and of articles."""

    policy: Number | None = None
    redaction_rules: Number | None = None
    knowledge: Annotated[list[DraftedArticle], Field(max_length=200)] = []  # noqa: RUF012


class NewEvaluation(Body):
    """`draft`: left out, all that waits to be published; `{}`: only what is published is looked at."""

    suite_id: UUID
    draft: DraftedVersions | None = None
