-- The further columns of the log that some chosen procedure has. Grain: one row per column.
-- Parameters: filters, scope.
-- Roles: physician, rso.
with
-- include: filtered
,

named as (
    select unnest(json_keys(extra)) as field
    from filtered
    where extra is not null
)

select field, count(*)::bigint as n
from named
group by all
order by n desc, field
