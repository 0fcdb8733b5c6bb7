-- What published figures are read against, counted, so that medians are exact.
-- Grain: one row per measure, modality and value. A missing value is the row with a null value.
-- Parameters: filters, scope.
-- Roles: manager, physician, rso.
with
-- include: filtered

select 'duration_min' as measure, modality, duration_min as value, count(*) as n
from filtered
group by all
union all
select 'satisfaction', modality, satisfaction::double, count(*)
from filtered
group by all
union all
select 'complication', modality, (complications <> 'none')::int::double, count(*)
from filtered
group by all
