-- What the filter bar can offer. Grain: one row per field and value, with its procedures.
-- Parameters: scope. Names of procedures are in the project's list, not here.
with seen as not materialized (
    select
        modality, coalesce(procedure_code, 'unmapped') as procedure, site, room, operator
    from procedure
    where not is_test
        and status = 'completed'
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
),

counted as (
    select
        modality, procedure, site, room, operator,
        grouping_id(modality, procedure, site, room, operator) as grouping,
        count(*) as n
    from seen
    group by grouping sets ((modality), (procedure), (site), (room), (operator))
)

select
    case grouping
        when 15 then 'modality'
        when 23 then 'procedure'
        when 27 then 'site'
        when 29 then 'room'
        when 30 then 'operator'
    end as field,
    coalesce(modality, procedure, site, room, operator) as value,
    n
from counted
where value is not null
order by field, n desc, value
