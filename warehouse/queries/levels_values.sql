-- The values of one dose index with what they are grouped by. Grain: procedure with that dose.
-- Parameters: filters, scope, modality, dose_index. A dose of zero or less is a fault, not a dose.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

chosen as (
    select
        site,
        coalesce(room, 'room not stated') as room,
        coalesce(procedure_code, 'unmapped') as procedure_code,
        size_band(age_years, weight_kg, bmi) as size_band,
-- include: dose_value
        as value
    from filtered
    where modality = $modality::varchar
)

select * from chosen where value > 0
