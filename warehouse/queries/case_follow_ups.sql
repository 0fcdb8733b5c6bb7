-- What follow-ups say of one case, with who entered it. Grain: one row per follow-up, oldest first.
-- Parameters: scope, procedure_id. Times are UTC.
-- Roles: physician, rso.
select
    f.measure,
    f.scale,
    coalesce(f.placed_timepoint, f.timepoint) as timepoint,
    f.measured_on,
    f.score,
    f.terms,
    f.state,
    f.entered_by,
    f.source_at at time zone 'UTC' as said_at,
    s.path
from follow_up as f
join procedure as p on p.procedure_id = f.procedure_id
left join source_file as s on s.source_file_id = f.source_file_id
where f.procedure_id = $procedure_id::bigint
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], p.operator))
order by f.source_at, f.source_file_id, f.source_line
