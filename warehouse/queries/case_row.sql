-- One procedure as it stands, with its file and its own scale's key. Grain: at most one row.
-- Parameters: scope, procedure_id. The patient's key stays in the warehouse.
-- Roles: physician, rso.
select
    p.* exclude (patient_key, row_hash),
    p.patient_key is not null as has_patient,
    size_band(age_years, weight_kg, bmi) as size_band,
    coalesce(age_years < 16, false) as child,
    coalesce(procedure_code, procedure_name, '') as procedure_key,
    f.path as source_path,
    f.arrived_at at time zone 'UTC' as file_arrived_at
from procedure p
left join source_file f using (source_file_id)
where procedure_id = $procedure_id::bigint
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], operator))
