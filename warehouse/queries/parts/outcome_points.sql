-- points: the scores of one scale, one column a timepoint, in per cent of the scale's range.
-- Grain: one row per filtered procedure with at least one score. Needs `filtered`; $outcome_scale.
-- days_since counts to the last day with data: a follow-up is due when its day has passed by then.
-- Read from the columns of procedure, not from table outcome, which would have to be pivoted
-- (2 s at a million rows instead of 0.1); a test holds both equal.
points as materialized (
    select
        procedure_id,
        modality,
        (
            select max(performed_on)
            from procedure
            where $scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site)
        ) - performed_on as days_since,
        case $outcome_scale::varchar
            when 'pain' then case when pain_scale = 'VAS 0-100' then 1.0 else 10.0 end
            else 1.0
        end as factor,
        factor * case $outcome_scale::varchar when 'pain' then pain_baseline when 'odi' then odi_baseline when 'ndi' then ndi_baseline end as s0,
        factor * case $outcome_scale::varchar when 'pain' then pain_15min end as s1,
        factor * case $outcome_scale::varchar when 'pain' then pain_1wk when 'odi' then odi_1wk when 'ndi' then ndi_1wk end as s2,
        factor * case $outcome_scale::varchar when 'pain' then pain_2wk when 'odi' then odi_2wk when 'ndi' then ndi_2wk end as s3,
        factor * case $outcome_scale::varchar when 'pain' then pain_1mo when 'odi' then odi_1mo when 'ndi' then ndi_1mo end as s4,
        factor * case $outcome_scale::varchar when 'pain' then pain_2mo when 'odi' then odi_2mo when 'ndi' then ndi_2mo end as s5,
        factor * case $outcome_scale::varchar when 'pain' then pain_3mo when 'odi' then odi_3mo when 'ndi' then ndi_3mo end as s6,
        factor * case $outcome_scale::varchar when 'pain' then pain_6mo when 'odi' then odi_6mo when 'ndi' then ndi_6mo end as s7
    from filtered
    where case $outcome_scale::varchar
        when 'pain' then coalesce(pain_baseline, pain_15min, pain_1wk, pain_2wk, pain_1mo,
            pain_2mo, pain_3mo, pain_6mo)
        when 'odi' then coalesce(odi_baseline, odi_1wk, odi_2wk, odi_1mo, odi_2mo, odi_3mo, odi_6mo)
        when 'ndi' then coalesce(ndi_baseline, ndi_1wk, ndi_2wk, ndi_1mo, ndi_2mo, ndi_3mo, ndi_6mo)
    end is not null
)
