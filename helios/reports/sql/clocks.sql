-- One row a deadline. Longer periods wait until somebody asks for them; then the shorter one is extended.
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
       CASE WHEN jsonb_exists(:extensions, clock.name) AND happened.begun_at IS NULL THEN 'waiting'
            WHEN happened.extended_at IS NOT NULL THEN 'extended'
            WHEN stopped.at <= clock.due_at THEN 'met'
            WHEN stopped.at IS NOT NULL THEN 'met_late'
            WHEN :as_of > clock.due_at THEN 'missed'
            ELSE 'running' END AS state
FROM tickets AS ticket
JOIN threads AS thread ON thread.tenant_id = ticket.tenant_id AND thread.id = ticket.conversation_id
CROSS JOIN LATERAL jsonb_to_recordset(ticket.clocks)
    AS clock(name text, days int, unit text, due_at timestamptz, only_new_accounts boolean)
CROSS JOIN LATERAL (
    SELECT min(event.created_at) FILTER (WHERE event.type = 'clock_met' AND event.clock = clock.name) AS met_at,
           min(event.created_at) FILTER (WHERE event.type = 'clock_extended' AND event.clock = clock.name) AS begun_at,
           min(event.created_at) FILTER (WHERE event.type = 'clock_extended'
                                           AND :extensions ->> event.clock = clock.name) AS extended_at
    FROM ticket_events AS event
    WHERE event.tenant_id = ticket.tenant_id AND event.ticket_id = ticket.id AND event.created_at <= :as_of
) AS happened
CROSS JOIN LATERAL (
    SELECT least(happened.met_at, CASE WHEN ticket.closed_at <= :as_of THEN ticket.closed_at END) AS at
) AS stopped
WHERE ticket.tenant_id = :tenant_id AND ticket.kind = ANY(:kinds)
  AND ticket.received_at >= :since AND ticket.received_at < :until AND ticket.created_at <= :as_of
UNION ALL
-- What was filed as a request, beside the cases of those who only told the assistant. A request ends once, so what it
-- ended as is known for every :as_of from then on. An erasure that a restore did again was done before it.
SELECT request.id,
       request.kind,
       NULL,
       request.customer_id,
       request.received_at,
       'answer',
       CAST(extract(day FROM request.due_at - request.received_at) AS int),
       'calendar',
       false,
       request.due_at,
       ended.at,
       CASE WHEN ended.at IS NOT NULL AND request.status = 'refused' THEN 'refused'
            WHEN jsonb_exists(request.result, 'received_at') THEN 'unknown'
            WHEN ended.at <= request.due_at THEN 'met'
            WHEN ended.at IS NOT NULL THEN 'met_late'
            WHEN :as_of > request.due_at THEN 'missed'
            ELSE 'running' END
FROM privacy_requests AS request
CROSS JOIN LATERAL (
    SELECT CASE WHEN done.at <= :as_of THEN done.at END AS at
    FROM (SELECT coalesce(CAST(request.result ->> 'first_done_at' AS timestamptz), request.completed_at) AS at) AS done
) AS ended
WHERE request.tenant_id = :tenant_id AND 'data_request' = ANY(:kinds)
  AND request.received_at >= :since AND request.received_at < :until AND request.created_at <= :as_of
ORDER BY received_at, ticket_id, due_at, clock
LIMIT :most
