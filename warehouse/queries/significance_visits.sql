-- One score at the chosen times, counted by pattern: every paired test and the model of groups over
-- time is exact from these rows. Grain: one row per group and pattern of values; a time that was not
-- chosen is null, a pattern without any value is left out.
-- Parameters: filters, scope, score (pain, odi, ndi, responder), times, group_by (null: none), stratum
-- (null), first_of_patient. Pain is on the scale 0 to 10, whatever scale was used; a responder has at
-- least half less pain than at baseline, 0 or 1.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient
,

scored as (
    select
-- include: chosen_group
        case when list_contains($times::varchar[], 'baseline') then case $score::varchar
            when 'pain' then pain_baseline / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_baseline
            when 'ndi' then ndi_baseline
        end end as "baseline",
        case when list_contains($times::varchar[], '15min') then case $score::varchar
            when 'responder' then case when pain_baseline > 0 then ((pain_baseline - pain_15min) / pain_baseline >= 0.5)::int::double end
            when 'pain' then pain_15min / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        end end as "15min",
        case when list_contains($times::varchar[], '1wk') then case $score::varchar
            when 'responder' then case when pain_baseline > 0 then ((pain_baseline - pain_1wk) / pain_baseline >= 0.5)::int::double end
            when 'pain' then pain_1wk / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_1wk
            when 'ndi' then ndi_1wk
        end end as "1wk",
        case when list_contains($times::varchar[], '2wk') then case $score::varchar
            when 'responder' then case when pain_baseline > 0 then ((pain_baseline - pain_2wk) / pain_baseline >= 0.5)::int::double end
            when 'pain' then pain_2wk / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_2wk
            when 'ndi' then ndi_2wk
        end end as "2wk",
        case when list_contains($times::varchar[], '1mo') then case $score::varchar
            when 'responder' then case when pain_baseline > 0 then ((pain_baseline - pain_1mo) / pain_baseline >= 0.5)::int::double end
            when 'pain' then pain_1mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_1mo
            when 'ndi' then ndi_1mo
        end end as "1mo",
        case when list_contains($times::varchar[], '2mo') then case $score::varchar
            when 'responder' then case when pain_baseline > 0 then ((pain_baseline - pain_2mo) / pain_baseline >= 0.5)::int::double end
            when 'pain' then pain_2mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_2mo
            when 'ndi' then ndi_2mo
        end end as "2mo",
        case when list_contains($times::varchar[], '3mo') then case $score::varchar
            when 'responder' then case when pain_baseline > 0 then ((pain_baseline - pain_3mo) / pain_baseline >= 0.5)::int::double end
            when 'pain' then pain_3mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_3mo
            when 'ndi' then ndi_3mo
        end end as "3mo",
        case when list_contains($times::varchar[], '6mo') then case $score::varchar
            when 'responder' then case when pain_baseline > 0 then ((pain_baseline - pain_6mo) / pain_baseline >= 0.5)::int::double end
            when 'pain' then pain_6mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            when 'odi' then odi_6mo
            when 'ndi' then ndi_6mo
        end end as "6mo"
    from chosen
)

select * exclude (stratum), count(*)::bigint as count
from scored
where coalesce("baseline", "15min", "1wk", "2wk", "1mo", "2mo", "3mo", "6mo") is not null
group by all
