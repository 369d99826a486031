-- Model and prompt come from the audit event of the turn's end: what the turn's own row says of
-- them goes with an erasure, the event and the figures stay.
SELECT escalation.id AS escalation_id,
       escalation.conversation_id,
       escalation.turn,
       escalation.reason,
       escalation.situation,
       counted.generator,
       ended.detail ->> 'model' AS model,
       ended.detail ->> 'prompt_hash' AS prompt_hash,
       CAST(ended.detail ->> 'policy' AS int) AS policy_version,
       escalation.opened_at,
       decision.applied_at AS decided_at,
       round(extract(epoch FROM decision.applied_at - escalation.opened_at) / 60, 1) AS minutes,
       decision.action,
       decision.action = 'edit' AS edited,
       decision.actor_id AS reviewer_id
FROM decisions AS decision
JOIN escalations AS escalation
  ON escalation.tenant_id = decision.tenant_id AND escalation.id = decision.escalation_id
LEFT JOIN turns AS turn
  ON turn.tenant_id = escalation.tenant_id AND turn.conversation_id = escalation.conversation_id
 AND turn.number = escalation.turn
LEFT JOIN analytics AS counted ON counted.tenant_id = turn.tenant_id AND counted.turn_id = turn.reply_id
LEFT JOIN LATERAL (
    SELECT audit.detail FROM audits AS audit
    WHERE audit.tenant_id = escalation.tenant_id AND audit.subject_type = 'conversation'
      AND audit.subject_id = escalation.conversation_id AND audit.action = 'turn.completed'
      AND audit.detail ->> 'turn' = CAST(escalation.turn AS text) AND audit.occurred_at <= :as_of
    ORDER BY audit.id LIMIT 1
) AS ended ON true
WHERE decision.tenant_id = :tenant_id AND decision.status = 'applied'
  AND decision.applied_at >= :since AND decision.applied_at < :until AND decision.applied_at <= :as_of
ORDER BY decision.applied_at, decision.id
LIMIT :most
