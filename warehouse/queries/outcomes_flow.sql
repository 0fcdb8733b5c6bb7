-- The scores of the same patients at neighbouring timepoints, counted: who moves between classes.
-- Grain: one row per step (1 to 3), modality, baseline, the two scores (null: none) and whether
-- each was due; scores in per cent of the scale's range; n procedures.
-- Parameters: filters, scope, outcome_scale (pain | odi | ndi), at_1 to at_4: timepoints in order
-- (null: fewer). Classes are made in analytics.outcomes_responders: defined once.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: outcome_points
,

shown as not materialized (
    select
        modality,
        s0 as baseline,
        case $at_1::varchar when '15min' then s1 when '1wk' then s2 when '2wk' then s3 when
            '1mo' then s4 when '2mo' then s5 when '3mo' then s6 when '6mo' then s7 end as v1,
        days_since >= case $at_1::varchar when '1wk' then 7 when '2wk' then 14 when '1mo' then
            30 when '2mo' then 61 when '3mo' then 91 when '6mo' then 183 else 0 end as d1,
        case $at_2::varchar when '15min' then s1 when '1wk' then s2 when '2wk' then s3 when
            '1mo' then s4 when '2mo' then s5 when '3mo' then s6 when '6mo' then s7 end as v2,
        days_since >= case $at_2::varchar when '1wk' then 7 when '2wk' then 14 when '1mo' then
            30 when '2mo' then 61 when '3mo' then 91 when '6mo' then 183 else 0 end as d2,
        case $at_3::varchar when '15min' then s1 when '1wk' then s2 when '2wk' then s3 when
            '1mo' then s4 when '2mo' then s5 when '3mo' then s6 when '6mo' then s7 end as v3,
        days_since >= case $at_3::varchar when '1wk' then 7 when '2wk' then 14 when '1mo' then
            30 when '2mo' then 61 when '3mo' then 91 when '6mo' then 183 else 0 end as d3,
        case $at_4::varchar when '15min' then s1 when '1wk' then s2 when '2wk' then s3 when
            '1mo' then s4 when '2mo' then s5 when '3mo' then s6 when '6mo' then s7 end as v4,
        days_since >= case $at_4::varchar when '1wk' then 7 when '2wk' then 14 when '1mo' then
            30 when '2mo' then 61 when '3mo' then 91 when '6mo' then 183 else 0 end as d4
    from points
)

select
    1 as step, modality, baseline, v1 as "from", d1 as from_due, v2 as "to", d2 as to_due,
    count(*) as n
from shown
where $at_2::varchar is not null
group by all
union all
select
    2 as step, modality, baseline, v2 as "from", d2 as from_due, v3 as "to", d3 as to_due,
    count(*) as n
from shown
where $at_3::varchar is not null
group by all
union all
select
    3 as step, modality, baseline, v3 as "from", d3 as from_due, v4 as "to", d4 as to_due,
    count(*) as n
from shown
where $at_4::varchar is not null
group by all
