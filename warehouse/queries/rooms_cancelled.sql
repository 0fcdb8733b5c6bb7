-- Cases on the plan of their day: cancelled ones with the reason, and the rest.
-- Grain: one row per room, weekday (1 Monday) and reason (null: took place); n cases.
-- Parameters: filters (period, sites, rooms), scope.
-- Roles: manager, physician, rso.
with planned as not materialized (
    select room, isodow(performed_on)::tinyint as weekday, status, cancel_reason
    from procedure
    where not is_test
        and status in ('completed', 'discontinued', 'cancelled')
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($from_date::date is null or performed_on >= $from_date::date)
        and ($to_date::date is null or performed_on <= $to_date::date)
        and ($sites::varchar[] is null or list_contains($sites::varchar[], site))
        and ($rooms::varchar[] is null or list_contains($rooms::varchar[], room))
)

select room, weekday, null as reason, count(*) as n
from planned
where status <> 'cancelled'
group by all
union all
select room, weekday, coalesce(cancel_reason, 'no reason given') as reason, count(*)
from planned
where status = 'cancelled'
group by all
