"""Which chunks may be searched and shown: what is in force, and for whom. Conditions, for every statement that asks."""

from __future__ import annotations

CUSTOMERS = ("public",)
"""What customers may see: no answer to one rests on anything else."""
COLUMNS = """chunks.id, chunks.source_id, chunks.version, version.title, chunks.text, source.language, source.slug,
           chunks.sentences, chunks.sentence_vectors, chunks.position, version.audiences,
           (SELECT slug FROM tenants WHERE id = :tenant_id) AS tenant"""
OF_A_VERSION = """chunks JOIN knowledge_sources AS source
          ON source.tenant_id = chunks.tenant_id AND source.id = chunks.source_id
        JOIN knowledge_versions AS version ON version.tenant_id = chunks.tenant_id
          AND version.source_id = chunks.source_id AND version.version = chunks.version"""
IN_FORCE = """source.published_version = version.version AND source.deleted_at IS NULL AND version.status = 'published'
          AND (version.effective_at IS NULL OR version.effective_at <= now())
          AND (version.expires_at IS NULL OR version.expires_at > now())"""
"""What an answer may rest on at this moment, of `source` and `version`."""
WAS_IN_FORCE = """source.deleted_at IS NULL
          AND (version.effective_at IS NULL OR version.effective_at <= CAST(:as_of AS timestamptz))
          AND (version.expires_at IS NULL OR version.expires_at > CAST(:as_of AS timestamptz))
          AND EXISTS (
            SELECT FROM publications AS span WHERE span.tenant_id = version.tenant_id
              AND span.source_id = version.source_id AND span.version = version.version
              AND span.published_at <= CAST(:as_of AS timestamptz)
              AND (span.ended_at IS NULL OR span.ended_at > CAST(:as_of AS timestamptz)))"""
"""The same for a moment in the past, also of what was withdrawn since."""
VISIBLE = "version.visibility = ANY(:visibilities)"
FOR_THEM = """(CAST(:audiences AS text[]) IS NULL OR version.audiences = '{}'
          OR version.audiences && CAST(:audiences AS text[]))"""
"""Whom it is for. NULL asks for all of it, as staff may."""
VISIBLE_NOW = f"{VISIBLE} AND source.visibility = ANY(:visibilities)"
FILTERS = """(CAST(:source_ids AS uuid[]) IS NULL OR source.id = ANY(:source_ids))
          AND (CAST(:tags AS text[]) IS NULL OR version.tags && CAST(:tags AS text[]))
          AND (CAST(:category AS text) IS NULL OR version.category = :category)
          AND (CAST(:changed_since AS timestamptz) IS NULL
               OR coalesce(version.effective_at, version.reviewed_at, version.created_at) >= :changed_since)"""
FOR_CUSTOMER_IN = """source.visibility = 'public' AND version.visibility = 'public' AND (version.audiences = '{}'
          OR version.audiences && (
            SELECT customer.audiences FROM threads JOIN customers AS customer ON customer.tenant_id = threads.tenant_id
              AND customer.id = threads.customer_id
            WHERE threads.tenant_id = :tenant_id AND threads.id = :conversation_id))"""
"""What the customer of a conversation may see at this moment, of `source` and `version`."""
AS_DRAFTED = f"""(version.expires_at IS NULL OR version.expires_at > now())
          AND CASE WHEN source.id = ANY(CAST(:drafted_sources AS uuid[]))
            THEN source.deleted_at IS NULL AND {VISIBLE} AND (source.id, version.version) IN (
              SELECT * FROM unnest(CAST(:drafted_sources AS uuid[]), CAST(:drafted_versions AS int[])))
            ELSE {VISIBLE_NOW} AND {IN_FORCE} END"""  # noqa: S608 - constants of ours
"""What an answer might rest on if these versions were published now, each in place of its source's other ones."""
