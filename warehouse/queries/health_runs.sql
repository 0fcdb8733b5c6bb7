-- The latest refreshes with their ledger. Grain: run. Parameters: most. Times are UTC.
-- balanced: read = inserted + updated + unchanged + duplicate + rejected.
-- Roles: rso; all sites.
select
    run_id, started_at at time zone 'UTC' as started_at, ended_at at time zone 'UTC' as ended_at,
    date_diff('millisecond', started_at, ended_at) / 1000 as seconds, outcome, files, read,
    inserted, updated, unchanged, duplicate, rejected,
    read = inserted + updated + unchanged + duplicate + rejected as balanced, message
from run
order by run.started_at desc
limit $most::bigint
