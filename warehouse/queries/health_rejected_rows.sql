-- Rejected rows as they stood, identifiers pseudonymised, newest run first. Grain: rejected row.
-- Parameters: scope; rule (null: any); open_only; most and skip (one page). n_rows counts all.
-- Roles: rso.
select
    run_id, path, line, reasons, rules, raw_text, site, resolved_by_run,
    count(*) over () as n_rows
from rejected_row
where ($scope_sites::varchar[] is null
        or list_contains($scope_sites::varchar[], site))
    and ($rule::varchar is null or list_contains(rules, $rule::varchar))
    and (not $open_only::boolean or resolved_by_run is null)
order by run_id desc, path, line nulls first
limit $most::bigint offset $skip::bigint
