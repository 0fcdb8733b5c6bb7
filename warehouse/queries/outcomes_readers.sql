-- What two readers wrote of the same cases, counted. Grain: one row per pair of texts; n procedures.
-- Parameters: filters, scope, first, second (further columns of the log).
-- Roles: physician, rso.
with
-- include: filtered

select
    json_extract_string(extra, '$."' || replace($first::varchar, '"', '\"') || '"') as "first",
    json_extract_string(extra, '$."' || replace($second::varchar, '"', '\"') || '"') as "second",
    count(*) as n
from filtered
where extra is not null
group by all
