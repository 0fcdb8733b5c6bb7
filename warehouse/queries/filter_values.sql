-- What the filter bar can offer, the most frequent first. Grain: one row per field and value.
-- Parameters: scope. Names of procedures are in the project's list, not here.
-- Roles: manager, physician, rso.
with seen as (
    select site, field, value, n
    from filter_value
    where $scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site)
)

select field, value, sum(n)::bigint as n
from seen
group by field, value
union all
select 'site' as field, site as value, sum(n)::bigint as n
from seen
where field = 'modality'
group by site
order by field, n desc, value
