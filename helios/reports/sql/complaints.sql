-- A case counts from when it was registered; what happened to it after :as_of is not known yet. What it was about
-- comes from the figures, which name nobody and outlive an erasure; a turn ends with its answer to the customer.
SELECT ticket.id AS ticket_id,
       ticket.kind,
       ticket.conversation_id,
       thread.customer_id,
       ticket.received_at,
       counted.channel,
       counted.language,
       counted.intent AS about,
       ticket.priority,
       ticket.created_at AS registered_at,
       turn.completed_at AS acknowledged_at,
       CASE WHEN ticket.closed_at <= :as_of THEN 'resolved' ELSE 'open' END AS status,
       CASE WHEN ticket.closed_at <= :as_of THEN ticket.closed_at END AS closed_at,
       clock.due_at,
       least(ticket.closed_at, :as_of) > clock.due_at AS overdue
FROM tickets AS ticket
JOIN threads AS thread ON thread.tenant_id = ticket.tenant_id AND thread.id = ticket.conversation_id
LEFT JOIN turns AS turn
  ON turn.tenant_id = ticket.tenant_id AND turn.conversation_id = ticket.conversation_id
 AND turn.number = ticket.turn AND turn.completed_at <= :as_of
LEFT JOIN analytics AS counted ON counted.tenant_id = turn.tenant_id AND counted.turn_id = turn.reply_id
CROSS JOIN LATERAL (
    SELECT max(due_at) AS due_at FROM jsonb_to_recordset(ticket.clocks) AS each(due_at timestamptz)
) AS clock
WHERE ticket.tenant_id = :tenant_id AND ticket.kind = ANY(:kinds)
  AND ticket.received_at >= :since AND ticket.received_at < :until AND ticket.created_at <= :as_of
ORDER BY ticket.received_at, ticket.id
LIMIT :most
