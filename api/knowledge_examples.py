"""Knowledge as the API's document shows it."""

from __future__ import annotations

from api.conversation_examples import page
from api.described import ID, TIME

__all__ = [
    "CITING", "DIFF", "EMBEDDER", "EMBEDDER_CHANGE", "FOLLOW_UP", "FOLLOW_UP_TRIED", "GAPS", "GAPS_STARTED",
    "GAP_DRAFT", "PASSAGE", "SITEMAP", "SOURCE", "SUBMITTED", "VERSION", "VERSION_WHOLE", "page",
]  # fmt: skip

SOURCE = {
    "id": ID, "slug": None, "language": "en", "title": "Replacement cards", "visibility": "public", "category": "cards",
    "tags": ["fees"], "audiences": [], "url": None,
    "published_version": 1, "newest_version": 2, "newest_status": "pending_review",
    "created_at": TIME,
}  # fmt: skip
VERSION = {
    "source_id": ID, "version": 2, "status": "pending_review", "title": "Replacement cards", "slug": None,
    "language": "en", "visibility": "public", "category": "cards", "tags": ["fees"], "audiences": [], "url": None,
    "media_type": "text/plain", "progress": {"step": "done", "chunks_total": 3, "chunks_done": 3, "chunks_reused": 1},
    "failure": None, "submitted_by": ID, "review": None, "publish_at": None, "effective_at": None, "expires_at": None,
    "created_at": TIME, "updated_at": TIME,
}  # fmt: skip
SUBMITTED = {"id": ID, **VERSION, "status": "ingesting", "duplicate": False}
VERSION_WHOLE = {**VERSION, "content": "A replacement card costs 10 dollars.", "publications": []}
DIFF = {
    "source_id": ID, "from": 1, "to": 2, "fields": [],
    "changes": [{"kind": "replace", "before": ["A replacement card costs 5 dollars."],
                 "after": ["A replacement card costs 10 dollars."], "unchanged": 0}],
}  # fmt: skip
CITING = {
    "id": ID, "conversation_id": ID, "customer_id": ID, "conversation_status": "active", "turn": 1,
    "role": "assistant", "created_at": TIME, "follow_up": "told",
}  # fmt: skip
EMBEDDER_CHANGE = {
    "id": ID, "embedder": "multilingual", "space": "multilingual:2f6d1c90ab34", "status": "embedding",
    "chunks_total": 1200, "chunks_done": 640, "trouble": None, "requested_by": ID,
    "created_at": TIME, "switched_at": None, "finished_at": None, "cleaned_at": None,
}  # fmt: skip
EMBEDDER = {
    "embedder": "local", "space": "local", "configured": True, "chunks": 1200, "missing": 0,
    "available": [
        {"name": "local", "space": "local", "dimension": 384, "multilingual": False, "remote": False},
        {"name": "multilingual", "space": "multilingual:2f6d1c90ab34", "dimension": 384, "multilingual": True,
         "remote": False},
    ],
    "change": EMBEDDER_CHANGE,
}  # fmt: skip
FOLLOW_UP = {
    "id": ID, "source_id": ID, "version": 2, "status": "running", "conversations": 14, "customers": 12,
    "planned": {"message": 11, "closed": 2, "legal_hold": 1},
    "progress": {"pending": 4, "told": 8, "person": 2, "left_out": 0},
    "requested_by": ID, "created_at": TIME, "finished_at": None,
}  # fmt: skip
FOLLOW_UP_TRIED = {
    **FOLLOW_UP, "id": None, "status": "dry_run", "progress": {}, "requested_by": None, "created_at": None,
}  # fmt: skip
SITEMAP = {
    "id": ID, "url": "https://www.meridianbank.example/sitemap.xml", "language": None, "visibility": "public",
    "category": None, "tags": ["website"], "outcome": "changed", "checked_at": TIME, "next_check_at": TIME,
    "pages": {"changed": 12, "unchanged": 30, "unreachable": 1}, "created_at": TIME,
}  # fmt: skip
PASSAGE = {
    "chunk_id": ID, "source_id": ID, "version": 2, "title": "Replacement cards",
    "text": "A replacement card costs 10 dollars.", "language": "en", "score": 0.87, "url": None,
}  # fmt: skip
GAP = {
    "id": ID, "status": "open", "title": "crypto wallet", "examples": ["Can I send money to a crypto wallet?"],
    "questions": 14, "customers": 9, "languages": {"en": 12, "de": 2}, "channels": {"web": 14},
    "intents": {"transfer_abroad": 14}, "causes": {"declined": 11, "unhelpful": 3},
    "trend": [{"from": "2026-02-23T00:00:00.000Z", "questions": 14}],
    "nearest": [{"source_id": ID, "version": 2, "title": "Sending money abroad", "score": 0.41}],
    "draft": None, "first_asked_at": TIME, "last_asked_at": TIME,
}  # fmt: skip
GAPS = {
    "from": TIME, "to": TIME, "interval": "week", "customers_min": 3, "gaps": 1, "questions": 14, "items": [GAP],
}  # fmt: skip
GAPS_STARTED = {"status": "running"}
GAP_DRAFT = {"source_id": ID, "version": 1}
