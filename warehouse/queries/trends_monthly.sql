-- One dose index of one procedure by month, and what it leaves out. Grain: one row per month.
-- Parameters: filters, scope, dose_index, modality, procedure, room (null: all rooms; '' is none),
-- size_band (null: all).
-- mean_ln is the mean of the natural logarithm, of which the control chart is made.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

chosen as (
    select
        date_trunc('month', performed_on)::date as month,
-- include: dose_value
        as value
    from filtered
    where modality = $modality::varchar
        and coalesce(procedure_code, 'unmapped') = $procedure::varchar
        and ($room::varchar is null or coalesce(room, '') = $room::varchar)
        and ($size_band::varchar is null
            or size_band(age_years, weight_kg, bmi) = $size_band::varchar)
)

select
    month,
    count(*) filter (where value > 0) as n,
    quantile_cont(value, 0.25) filter (where value > 0) as p25,
    median(value) filter (where value > 0) as median,
    quantile_cont(value, 0.75) filter (where value > 0) as p75,
    avg(ln(value)) filter (where value > 0) as mean_ln,
    stddev_samp(ln(value)) filter (where value > 0) as sd_ln,
    count(*) filter (where value is null) as n_missing,
    count(*) filter (where value <= 0) as n_not_positive
from chosen
group by month
order by month
