-- How rooms ran, counted: first cases, turnovers, cases and minutes in use per room-day.
-- Grain: one row per group, measure and value (minutes, or cases); n room-days, or pairs of cases for
-- turnover. Measures: 'first late' (of the case planned first; null: it lacks planned time or
-- room-in), 'turnover' (of neighbours with no cancelled case between and a gap of 0 to $longest_gap
-- minutes), 'gap left out', 'cases', 'in use' and 'in use or turned over' (minutes within the block;
-- null where a case of the day lacks a stamp: its minutes are not known).
-- Parameters: filters (period, sites, rooms), scope, group_by (room | weekday, 1 Monday | null: one
-- group), block_from and block_to (minutes after midnight), longest_gap (minutes).
-- Roles: manager, physician, rso.
with
-- include: listed
,

cases as materialized (
    select
        room_day,
        case $group_by::varchar when 'room' then room_key when 'weekday' then weekday else 0 end
            as group_key,
        cancelled,
        completed,
        plan_min,
        in_min,
        out_min,
        case
            when before_out is null or in_min is null then null
            when coalesce(after_cancelled, false) or in_min < before_out then false
            else in_min - before_out <= $longest_gap::integer
        end as sequential,
        case when sequential then in_min - before_out end as gap,
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
        any_value(group_key) as group_key,
        count(*) filter (completed)::integer as n_cases,
        -- Of cases planned for one minute the first is that which came first; without a plan it is
        -- the room-in that counts.
        nullif(arg_min(
            coalesce(in_min - plan_min, -99999),
            coalesce(plan_min, in_min, 99999) * 1048576::bigint + coalesce(in_min, 99999)
        ), -99999) as first_late,
        case
            when count(*) = count(in_min + out_min) then sum(used)::integer
        end as used_min,
        used_min + coalesce(sum(turned) filter (sequential), 0)::integer as adjusted_min
    from cases
    where not cancelled
    group by room_day
),

counted as (
    select
        group_key,
        case grouping_id(first_late, n_cases, used_min, adjusted_min)
            when 7 then 'first late'
            when 11 then 'cases'
            when 13 then 'in use'
            else 'in use or turned over'
        end as measure,
        coalesce(first_late, n_cases, used_min, adjusted_min) as "value",
        count(*) as n
    from days
    group by grouping sets (
        (group_key, first_late),
        (group_key, n_cases),
        (group_key, used_min),
        (group_key, adjusted_min)
    )
    union all
    select
        group_key,
        case when sequential then 'turnover' else 'gap left out' end as measure,
        gap,
        count(*)
    from cases
    where sequential is not null
    group by all
),

rooms as (
    select distinct hash(room) as group_key, room
    from procedure
    where room is not null and $group_by::varchar = 'room'
)

select coalesce(room, group_key::varchar) as "group", measure, "value", n
from counted
left join rooms using (group_key)
