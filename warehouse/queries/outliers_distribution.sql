-- How a dose index is distributed among comparable cases. Grain: bin of equal width on the log10
-- scale. Parameters: scope; from_date and to_date; dose_index, modality, procedure_key, size_band
-- (null: all sizes of children or of adults, as child says); bins_per_decade. low and high are the bin's bounds; n_all, median, p75 and p95 stand on each row.
-- Roles: physician, rso.
with chosen as not materialized (
    select
-- include: dose_value
        as value,
        size_band(age_years, weight_kg, bmi) as band
    from procedure
    where not is_test and status = 'completed' and modality = $modality::varchar
        and coalesce(procedure_code, procedure_name, '') = $procedure_key::varchar
        and coalesce(age_years < 16, false) = $child::boolean
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($from_date::date is null or performed_on >= $from_date::date)
        and ($to_date::date is null or performed_on <= $to_date::date)
),

positive as (
    select value, floor(log10(value) * $bins_per_decade::integer) as bin
    from chosen
    where value > 0 and ($size_band::varchar is null or band = $size_band::varchar)
),

summary as (
    select count(*) as n_all, median(value) as median,
        quantile_cont(value, 0.75) as p75, quantile_cont(value, 0.95) as p95
    from positive
)

select
    pow(10, bin / $bins_per_decade::integer) as low,
    pow(10, (bin + 1) / $bins_per_decade::integer) as high,
    count(*) as n,
    any_value(n_all) as n_all,
    any_value(median) as median,
    any_value(p75) as p75,
    any_value(p95) as p95
from positive, summary
group by bin
order by bin
