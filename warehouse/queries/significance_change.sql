-- One score before and at one time after, counted. Grain: one row per part and value, where part is
-- earlier, later or change (later minus earlier) of the records that have both; incomplete counts the
-- records that have one only, with a null value.
-- Parameters: filters, scope, score (pain, odi), timepoint (15min, 1wk, 1mo, 3mo, 6mo),
-- first_of_patient. Pain is on the scale 0 to 10, whatever scale was used.
with
-- include: filtered
,

-- include: one_per_patient
,

scored as (
    select
        case $score::varchar
            when 'pain' then pain_baseline / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_baseline
        end as earlier,
        case $score::varchar
            when 'pain' then case $timepoint::varchar
                when '15min' then pain_15min
                when '1wk' then pain_1wk
                when '1mo' then pain_1mo
                when '3mo' then pain_3mo
                when '6mo' then pain_6mo
            end / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then case $timepoint::varchar
                when '1wk' then odi_1wk
                when '1mo' then odi_1mo
                when '3mo' then odi_3mo
                when '6mo' then odi_6mo
            end
        end as later
    from chosen
),

complete as (
    select earlier, later
    from scored
    where earlier is not null and later is not null
)

select 'earlier' as part, earlier as value, count(*) as count from complete group by all
union all
select 'later' as part, later as value, count(*) as count from complete group by all
union all
select 'change' as part, round(later - earlier, 6) as value, count(*) as count
from complete
group by all
union all
select 'incomplete' as part, null as value, count(*) as count
from scored
where (earlier is null) <> (later is null)
