-- One row a deadline. An acknowledgement is kept by the first answer to the customer, every other by closing the case.
SELECT ticket.id AS ticket_id,
       ticket.kind,
       ticket.conversation_id,
       thread.customer_id,
       ticket.received_at,
       clock.name AS clock,
       clock.days,
       clock.unit,
       coalesce(clock.only_new_accounts, false) AS only_new_accounts,
       clock.due_at,
       stopped.at AS stopped_at,
       CASE WHEN stopped.at <= clock.due_at THEN 'met'
            WHEN stopped.at IS NOT NULL THEN 'met_late'
            WHEN :as_of > clock.due_at THEN 'missed'
            ELSE 'running' END AS state
FROM tickets AS ticket
JOIN threads AS thread ON thread.tenant_id = ticket.tenant_id AND thread.id = ticket.conversation_id
CROSS JOIN LATERAL jsonb_to_recordset(ticket.clocks)
    AS clock(name text, days int, unit text, due_at timestamptz, only_new_accounts boolean)
CROSS JOIN LATERAL (
    SELECT CASE WHEN clock.name = 'acknowledgement' THEN (
        SELECT min(message.created_at) FROM messages AS message
        WHERE message.tenant_id = ticket.tenant_id AND message.conversation_id = ticket.conversation_id
          AND message.turn = ticket.turn AND message.role IN ('assistant', 'agent') AND message.created_at <= :as_of
    ) WHEN ticket.closed_at <= :as_of THEN ticket.closed_at END AS at
) AS stopped
WHERE ticket.tenant_id = :tenant_id AND ticket.kind = ANY(:kinds)
  AND ticket.received_at >= :since AND ticket.received_at < :until AND ticket.created_at <= :as_of
ORDER BY ticket.received_at, ticket.id, clock.due_at, clock.name
LIMIT :most
