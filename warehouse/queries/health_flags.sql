-- Warnings that procedures were loaded with. Grain: flag. Parameters: filters and scope.
-- Cancelled, test and withdrawn procedures count too (so not parts/filtered.sql): a flag says something of
-- the source.
-- Roles: rso.
with seen as not materialized (
    select procedure_id, performed_on, flags
    from procedure
    where len(flags) > 0
        -- include: in_view
)

select
    flag, count(*) as n, min(performed_on) as first_on, max(performed_on) as last_on,
    max(procedure_id) as example_id
from (select unnest(flags) as flag, performed_on, procedure_id from seen)
group by flag
order by n desc, flag
