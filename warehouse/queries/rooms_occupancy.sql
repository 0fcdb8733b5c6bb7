-- When patients enter and leave rooms, by minute of the week: their running difference is occupancy.
-- Grain: one row per weekday (1 Monday), minute of the day and change (+1 in, -1 out); n cases. A
-- patient still in the room at midnight leaves at minute 1440; 'room-days' rows have change 0.
-- Parameters: filters (period, sites, rooms), scope.
-- Roles: manager, physician, rso.
with
-- include: listed
,

stays as materialized (
    select weekday, room_day, in_min, least(out_min, 1440) as left_min
    from listed
    where not cancelled and in_min >= 0 and out_min >= in_min
)

select weekday, in_min as minute, 1 as change, count(*) as n
from stays
group by all
union all
select weekday, left_min, -1, count(*) from stays group by all
union all
select weekday, null, 0, count(distinct room_day) from stays group by all
