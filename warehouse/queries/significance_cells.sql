-- One outcome by group and covariates, for an adjusted comparison: a linear or logistic model needs no
-- more of the rows. Grain: one row per group, covariates, and, for effective dose, modality, region and
-- age of a child. mean and variance are of the natural logarithm when $log; n counts what has them.
-- Parameters: filters, scope, outcome (see parts/outcome_value), group_by, stratum (null), covariates
-- (procedure, age, size, sex, site, levels), log, first_of_patient.
-- A covariate that was not asked for is the same text everywhere; one that is not known is null.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient
,

valued as (
    select
-- include: chosen_group
        case when list_contains($covariates::varchar[], 'procedure')
            then procedure_code else 'all' end as procedure,
        case when list_contains($covariates::varchar[], 'age') then
            case
                when age_years < 16 then 'under 16'
                when age_years < 40 then '16 to 39'
                when age_years < 60 then '40 to 59'
                when age_years < 75 then '60 to 74'
                when age_years >= 75 then '75 and over'
            end
            else 'all' end as age,
        case when list_contains($covariates::varchar[], 'size')
            then nullif(size_band(age_years, weight_kg, bmi), 'size unknown') else 'all' end as size,
        case when list_contains($covariates::varchar[], 'sex') then sex else 'all' end as sex,
        case when list_contains($covariates::varchar[], 'site') then site else 'all' end as site,
        case when list_contains($covariates::varchar[], 'levels')
            then least(n_levels, 4)::varchar else 'all' end as levels,
        case when $outcome::varchar = 'dose_of_modality' then modality end as modality,
        case when $outcome::varchar = 'dose_of_modality' then region end as region,
        case when $outcome::varchar = 'dose_of_modality' and age_years < 16
            then floor(age_years) end as age_years,
-- include: outcome_value
        as raw
    from chosen
),

scaled as (
    select * exclude (raw, stratum),
        case when not $log::boolean then raw when raw > 0 then ln(raw) end as value
    from valued
)

select * exclude (value),
    count(value) as n,
    avg(value) as mean,
    var_samp(value) as variance,
    sum(value) as events
from scaled
where value is not null and "group" is not null
group by all
