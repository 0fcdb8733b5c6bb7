-- Follow-ups that are kept but not counted, with why and where they came from.
-- Grain: one row per follow-up, the newest first; at most $most. n_all counts all of the state.
-- Parameters: scope, most.
-- Roles: rso.
select
    f.state,
    f.site,
    f.accession_number,
    f.measure,
    f.timepoint,
    f.measured_on,
    f.score,
    f.scale,
    s.path,
    f.source_line,
    count(*) over (partition by f.state) as n_all
from follow_up as f
left join source_file as s on s.source_file_id = f.source_file_id
where f.state in ('waiting', 'ambiguous', 'outside', 'scale', 'beside')
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], f.site))
order by f.source_at desc, f.source_file_id, f.source_line
limit $most::bigint
