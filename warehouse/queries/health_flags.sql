-- Warnings that procedures were loaded with. Grain: flag. Parameters: scope, from_date, to_date.
-- Cancelled, test and withdrawn procedures count too: a flag says something of the source.
-- Roles: rso.
with seen as not materialized (
    select procedure_id, performed_on, flags
    from procedure
    where len(flags) > 0
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($from_date::date is null or performed_on >= $from_date::date)
        and ($to_date::date is null or performed_on <= $to_date::date)
)

select
    flag, count(*) as n, min(performed_on) as first_on, max(performed_on) as last_on,
    max(procedure_id) as example_id
from (select unnest(flags) as flag, performed_on, procedure_id from seen)
group by flag
order by n desc, flag
