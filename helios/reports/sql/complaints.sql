-- A case counts from when it was registered; what happened to it after :as_of is not known yet.
SELECT ticket.id AS ticket_id,
       ticket.kind,
       ticket.conversation_id,
       thread.customer_id,
       ticket.received_at,
       thread.channel,
       turn.record ->> 'language' AS language,
       turn.record -> 'intent' ->> 'name' AS about,
       ticket.priority,
       ticket.created_at AS registered_at,
       answered.at AS acknowledged_at,
       CASE WHEN ticket.closed_at <= :as_of THEN 'closed' ELSE 'open' END AS status,
       CASE WHEN ticket.closed_at <= :as_of THEN ticket.closed_at END AS closed_at,
       clock.due_at,
       least(ticket.closed_at, :as_of) > clock.due_at AS overdue
FROM tickets AS ticket
JOIN threads AS thread ON thread.tenant_id = ticket.tenant_id AND thread.id = ticket.conversation_id
LEFT JOIN turns AS turn
  ON turn.tenant_id = ticket.tenant_id AND turn.conversation_id = ticket.conversation_id
 AND turn.number = ticket.turn AND turn.completed_at <= :as_of
CROSS JOIN LATERAL (
    SELECT max(due_at) AS due_at FROM jsonb_to_recordset(ticket.clocks) AS each(due_at timestamptz)
) AS clock
CROSS JOIN LATERAL (
    SELECT min(message.created_at) AS at FROM messages AS message
    WHERE message.tenant_id = ticket.tenant_id AND message.conversation_id = ticket.conversation_id
      AND message.turn = ticket.turn AND message.role IN ('assistant', 'agent') AND message.created_at <= :as_of
) AS answered
WHERE ticket.tenant_id = :tenant_id AND ticket.kind = ANY(:kinds)
  AND ticket.received_at >= :since AND ticket.received_at < :until AND ticket.created_at <= :as_of
ORDER BY ticket.received_at, ticket.id
LIMIT :most
