-- The values of one procedure as they were sent, where text or unit differ from the canonical one.
-- Grain: field × source. Parameters: scope, procedure_id.
-- Roles: physician, rso.
select r.field, r.text, r.unit, r.source
from raw_value r
join procedure p using (procedure_id)
where r.procedure_id = $procedure_id::bigint
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], p.operator))
order by r.field, r.source, r.text
