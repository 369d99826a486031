-- Roles and states of the past are read from the audit events of their changes, not from the rows of today.
WITH noted AS (
    SELECT actor_id,
           sum(CAST(detail ->> 'count' AS int)) FILTER (WHERE action = 'access.granted') AS reads,
           sum(CAST(detail ->> 'count' AS int)) FILTER (WHERE action = 'access.refused') AS refused,
           max(occurred_at) FILTER (WHERE actor_type = 'api_key') AS used_at
    FROM audits
    WHERE tenant_id = :tenant_id AND (actor_type = 'api_key' OR action IN ('access.granted', 'access.refused'))
      AND occurred_at >= :since AND occurred_at < :until AND occurred_at <= :as_of
    GROUP BY actor_id
)
SELECT 'user' AS kind,
       member.id,
       NULL AS name,
       member.email_ct AS name_ct,
       CASE WHEN was.deleted THEN 'deleted' WHEN was.deactivated THEN 'deactivated' ELSE 'active' END AS state,
       coalesce(held.roles, given.roles, to_jsonb(member.roles)) AS access,
       coalesce(was.guarded, false) AS second_factor,
       member.created_at,
       seen.at AS last_used_at,
       coalesce(noted.reads, 0) AS reads,
       coalesce(noted.refused, 0) AS refused
FROM users AS member
LEFT JOIN LATERAL (  -- the newest roles by then
    SELECT detail -> 'roles' AS roles FROM audits
    WHERE tenant_id = member.tenant_id AND subject_type = 'user' AND subject_id = member.id
      AND jsonb_typeof(detail -> 'roles') = 'array' AND occurred_at <= :as_of
    ORDER BY occurred_at DESC, id DESC LIMIT 1
) AS held ON true
LEFT JOIN LATERAL (  -- else those that the first change afterwards took away
    SELECT detail -> 'roles_before' AS roles FROM audits
    WHERE tenant_id = member.tenant_id AND subject_type = 'user' AND subject_id = member.id
      AND jsonb_typeof(detail -> 'roles_before') = 'array' AND occurred_at > :as_of
    ORDER BY occurred_at, id LIMIT 1
) AS given ON true
LEFT JOIN LATERAL (
    SELECT (array_agg(action ORDER BY occurred_at DESC, id DESC)
                FILTER (WHERE action IN ('user.deleted', 'user.restored')))[1] = 'user.deleted' AS deleted,
           (array_agg(action ORDER BY occurred_at DESC, id DESC)
                FILTER (WHERE action IN ('user.deactivated', 'user.activated')))[1] = 'user.deactivated' AS deactivated,
           (array_agg(action ORDER BY occurred_at DESC, id DESC)
                FILTER (WHERE action IN ('auth.mfa_enabled', 'auth.mfa_disabled')))[1] = 'auth.mfa_enabled' AS guarded
    FROM audits
    WHERE tenant_id = member.tenant_id AND subject_type = 'user' AND subject_id = member.id AND occurred_at <= :as_of
) AS was ON true
LEFT JOIN LATERAL (
    SELECT max(occurred_at) AS at FROM audits
    WHERE tenant_id = member.tenant_id AND subject_type = 'user' AND subject_id = member.id
      AND action = 'auth.login' AND occurred_at <= :as_of
) AS seen ON true
LEFT JOIN noted ON noted.actor_id = member.id
WHERE member.tenant_id = :tenant_id AND member.created_at <= :as_of
UNION ALL
SELECT 'api_key',
       key.id,
       key.name,
       NULL,
       CASE WHEN key.deleted_at <= :as_of THEN 'deleted' WHEN key.expires_at <= :as_of THEN 'expired'
            ELSE 'active' END,
       to_jsonb(key.scopes),
       false,
       key.created_at,
       noted.used_at,
       coalesce(noted.reads, 0),
       coalesce(noted.refused, 0)
FROM api_keys AS key
LEFT JOIN noted ON noted.actor_id = key.id
WHERE key.tenant_id = :tenant_id AND key.created_at <= :as_of
ORDER BY kind DESC, created_at, id
LIMIT :most
