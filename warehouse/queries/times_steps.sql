-- How long each step of a procedure took, counted, and which stamps cannot be right.
-- Grain: one row per group, measure and value (null: a stamp is missing); n procedures. Measures are
-- the steps (minutes; 'order to plan' in days) of cases without a problem, and 'problem: …' with
-- value null for every problem; a case may have several, 'problem: any' counts it once.
-- Parameters: filters, scope, group_by (modality | procedure | room | operator | trainee | hour |
-- weekday), clock_changes (days on which the site's clocks change), shift_from and shift_to (minutes
-- after midnight), longest (minutes).
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: overlapping
,

stamped as not materialized (
    select
        case $group_by::varchar
            when 'modality' then modality
            when 'procedure' then coalesce(procedure_code, 'unmapped')
            when 'room' then room
            when 'operator' then operator
            when 'trainee' then
                case when trainee then 'trainee' when not trainee then 'no trainee' end
            when 'hour' then hour(room_in_at)::varchar
            when 'weekday' then isodow(performed_on)::varchar
        end as "group",
        date_diff('day', ordered_at, scheduled_at)::integer as planned,
        (epoch_us(room_in_at) - epoch_us(arrived_at)) // 60000000 as waited,
        (epoch_us(room_in_at) - epoch_us(scheduled_at)) // 60000000 as late,
        (epoch_us(procedure_start_at) - epoch_us(room_in_at)) // 60000000 as prepared,
        (epoch_us(procedure_end_at) - epoch_us(procedure_start_at)) // 60000000 as lasted,
        (epoch_us(room_out_at) - epoch_us(procedure_end_at)) // 60000000 as cleared,
        (epoch_us(report_signed_at) - epoch_us(room_out_at)) // 60000000 as reported,
        coalesce(room_in_at < arrived_at, false)
        or coalesce(procedure_start_at < room_in_at, false)
        or coalesce(procedure_end_at < procedure_start_at, false)
        or coalesce(room_out_at < procedure_end_at, false)
        or coalesce(report_signed_at < procedure_end_at, false)
        or coalesce(scheduled_at < ordered_at, false) as p_order,
        coalesce(procedure_start_at = procedure_end_at, false) as p_same,
        procedure_id in (select procedure_id from overlapping) as p_overlap,
        coalesce(epoch_us(room_out_at) - epoch_us(room_in_at) > $longest::bigint * 60000000, false)
        or coalesce(
            epoch_us(procedure_end_at) - epoch_us(procedure_start_at)
            > $longest::bigint * 60000000,
            false
        ) as p_long,
        -- Since midnight, in microseconds: adding intervals to dates takes five times as long.
        epoch_us(room_in_at) - epoch_us(performed_on::timestamp) as entered,
        epoch_us(room_out_at) - epoch_us(performed_on::timestamp) as left_at,
        coalesce(entered < $shift_from::bigint * 60000000, false)
        or coalesce(left_at > $shift_to::bigint * 60000000, false) as p_shift,
        list_contains($clock_changes::date[], performed_on)
        and coalesce(entered < 3 * 3600000000 and left_at >= 2 * 3600000000, false) as p_clock
    from filtered
),

marked as materialized (
    select * exclude (entered, left_at), p_order or p_same or p_overlap or p_long or p_shift or p_clock as wrong
    from stamped
),

clean as not materialized (
    select *
    from marked
    where not wrong
)

select "group", 'order to plan' as measure, planned as "value", count(*) as n from clean group by all
union all
select "group", 'arrival to room', waited, count(*) from clean group by all
union all
select "group", 'plan to room', late, count(*) from clean group by all
union all
select "group", 'room to start', prepared, count(*) from clean group by all
union all
select "group", 'start to end', lasted, count(*) from clean group by all
union all
select "group", 'end to room out', cleared, count(*) from clean group by all
union all
select "group", 'room out to report', reported, count(*) from clean group by all
union all
select "group", unnest(['problem: order', 'problem: same', 'problem: overlap', 'problem: long',
        'problem: shift', 'problem: clock', 'problem: any', 'cases']), null,
    unnest([count(*) filter (p_order), count(*) filter (p_same), count(*) filter (p_overlap),
        count(*) filter (p_long), count(*) filter (p_shift), count(*) filter (p_clock),
        count(*) filter (wrong), count(*)])
from marked
group by "group"
