-- Chosen cases that the filters let through. Grain: procedure. Parameters: filters and scope; ids.
with
-- include: filtered

select
    procedure_id, performed_on, procedure_start_at, modality, procedure_code, procedure_name, site,
    room, device, operator, age_years, bmi, n_levels, dose_source, flags,
    coalesce(procedure_code, procedure_name, '') as procedure_key,
    size_band(age_years, weight_kg, bmi) as size_band
from filtered
where list_contains($ids::bigint[], procedure_id)
order by procedure_id
