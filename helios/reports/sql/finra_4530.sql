SELECT counted.intent AS about,
       count(*) AS complaints,
       count(*) FILTER (WHERE ticket.closed_at IS NULL OR ticket.closed_at > :as_of) AS still_open,
       min(ticket.received_at) AS first_received_at,
       max(ticket.received_at) AS last_received_at,
       array_agg(ticket.id ORDER BY ticket.id) AS ticket_ids
FROM tickets AS ticket
LEFT JOIN turns AS turn
  ON turn.tenant_id = ticket.tenant_id AND turn.conversation_id = ticket.conversation_id
 AND turn.number = ticket.turn AND turn.completed_at <= :as_of
LEFT JOIN analytics AS counted ON counted.tenant_id = turn.tenant_id AND counted.turn_id = turn.reply_id
WHERE ticket.tenant_id = :tenant_id AND ticket.kind = ANY(:kinds)
  AND ticket.received_at >= :since AND ticket.received_at < :until AND ticket.created_at <= :as_of
GROUP BY about
ORDER BY complaints DESC, about
LIMIT :most
