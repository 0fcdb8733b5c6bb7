-- What a comparison within procedures needs. Grain: one row per modality and procedure.
-- Parameters: filters, scope, first_of_patient.
-- A name that is not mapped is the row with a null procedure: a mixture, no stratum.
-- Means and variances are of natural logarithms for durations, of points for pain.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient

select
    modality,
    procedure_code as procedure,
    count(*) as n,
    count(*) filter (where duration_min > 0) as duration_n,
    avg(ln(duration_min)) filter (where duration_min > 0) as duration_mean,
    var_samp(ln(duration_min)) filter (where duration_min > 0) as duration_variance,
    count(pain_baseline - pain_1mo) as pain_n,
    avg((pain_baseline - pain_1mo) / case when pain_scale = 'VAS 0-100' then 10 else 1 end)
        as pain_mean,
    var_samp((pain_baseline - pain_1mo) / case when pain_scale = 'VAS 0-100' then 10 else 1 end)
        as pain_variance,
    count(complications) as complication_n,
    count(*) filter (where complications <> 'none') as complication_events,
    count(satisfaction) as satisfaction_n,
    count(*) filter (where satisfaction >= 4) as satisfaction_events
from chosen
group by all
order by procedure, modality
