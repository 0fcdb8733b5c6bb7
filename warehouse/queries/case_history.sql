-- What later versions of one procedure changed. Grain: change × field.
-- Parameters: scope, procedure_id. Times are UTC.
-- Roles: physician, rso.
with chosen as (
    select procedure_id
    from procedure
    where procedure_id = $procedure_id::bigint
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], operator))
),

-- include: version_changes

select changed_at, changed_by_run, why, field, old_text, new_text
from version_changes
order by changed_at desc, field
