-- How rooms ran, counted: first cases, turnovers, cases and minutes in use per room-day.
-- Grain: one row per room, weekday (1 Monday), measure and value (minutes, or cases); n room-days, or
-- pairs of cases for turnover. Measures: 'first late' (null: no planned time), 'turnover' (of
-- neighbours with no cancelled case between and a gap of 0 to $longest_gap minutes), 'gap left out',
-- 'stay' (room in to room out; n cases), 'cases', 'in use' and 'in use or turned over' (minutes
-- within the block; null where a case of the day lacks a stamp: its minutes are not known).
-- Parameters: filters (period, sites, rooms), scope, block_from and block_to (minutes after
-- midnight), longest_gap (minutes).
-- Roles: manager, physician, rso.
with
-- include: listed
,

cases as materialized (
    select
        *,
        in_min - before_out as gap,
        case
            when before_out is null or in_min is null then null
            when coalesce(after_cancelled, false) or in_min < before_out then false
            else in_min - before_out <= $longest_gap::integer
        end as sequential,
        greatest(
            0, least(out_min, $block_to::integer) - greatest(in_min, $block_from::integer)
        ) as used,
        greatest(
            0, least(in_min, $block_to::integer) - greatest(before_out, $block_from::integer)
        ) as turned
    from listed
),

days as materialized (
    select
        room_day,
        any_value(room) as room,
        any_value(weekday) as weekday,
        count(*) filter (completed)::integer as n_cases,
        arg_min(coalesce(in_min - plan_min, -99999), coalesce(plan_min, in_min))
            filter (in_min is not null) as first_late,
        case
            when count(*) = count(in_min + out_min) then sum(used)::integer
        end as used,
        sum(turned) filter (sequential)::integer as turned
    from cases
    where not cancelled
    group by room_day
)

select room, weekday, 'first late' as measure, nullif(first_late, -99999) as "value", count(*) as n
from days
group by all
union all
select room, weekday, 'cases', n_cases, count(*) from days group by all
union all
select room, weekday, 'in use', used, count(*) from days group by all
union all
select room, weekday, 'in use or turned over', used + coalesce(turned, 0), count(*)
from days
group by all
union all
select room, weekday, 'turnover', gap, count(*) from cases where sequential group by all
union all
select room, weekday, 'gap left out', null, count(*) from cases where not sequential group by all
union all
select room, weekday, 'stay', out_min - in_min, count(*)
from cases
where not cancelled and out_min >= in_min
group by all
