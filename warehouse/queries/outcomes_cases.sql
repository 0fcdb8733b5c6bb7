-- The cases with a complication, the newest first.
-- Grain: one row per procedure; at most $most.
-- Parameters: filters, scope, most.
-- Roles: physician, rso.
with
-- include: filtered

select
    procedure_id,
    performed_on,
    modality,
    coalesce(procedure_code, 'unmapped') as "procedure",
    room,
    complications,
    complication_scale
from filtered
where complications <> 'none'
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], operator))
order by performed_on desc, procedure_id desc
limit $most::bigint
