-- One dose index of one procedure by room or operator, with what makes cases alike.
-- Grain: one row per unit, size band and number of levels.
-- Parameters: filters, scope, dose_index, modality, procedure, unit ('room' or 'operator'),
-- size_band (null: all). A case without the unit's name is left out; a blank number of levels is
-- its own kind. squares_ln is the sum of squared distances of ln dose from the row's mean.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

chosen as (
    select
        case $unit::varchar when 'room' then room || ' · ' || site else operator end as unit,
        size_band(age_years, weight_kg, bmi) as size_band,
        coalesce(least(n_levels, 4)::varchar, 'not stated') as levels,
-- include: dose_value
        as value
    from filtered
    where modality = $modality::varchar
        and coalesce(procedure_code, 'unmapped') = $procedure::varchar
)

select
    unit,
    size_band,
    levels,
    count(*) as n,
    avg(ln(value)) as mean_ln,
    var_pop(ln(value)) * count(*) as squares_ln
from chosen
where value > 0
    and unit is not null
    and ($size_band::varchar is null or size_band = $size_band::varchar)
group by unit, size_band, levels
order by unit, size_band, levels
