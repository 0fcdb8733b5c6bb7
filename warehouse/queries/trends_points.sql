-- The single values of months with few cases, which are shown as points. Grain: procedure.
-- Parameters: filters, scope, dose_index, modality, procedure, room (null: all), size_band (null: all),
-- few.
-- Cases of others have no number for a reader of own cases only.
-- Roles: physician, rso.
with
-- include: filtered
,

chosen as (
    select
        case when ($scope_operators::varchar[] is null
            or list_contains($scope_operators::varchar[], operator))
            then procedure_id end as procedure_id,
        performed_on,
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

select procedure_id, performed_on, month, value
from chosen
where value > 0
qualify count(*) over (partition by month) < $few::integer
order by performed_on, procedure_id
