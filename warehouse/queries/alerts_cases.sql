-- Every CT or fluoroscopy case as the outlier rules judge it. Grain: procedure. Parameters: scope.
-- counts: it is judged; test patients, withdrawn cases and those without any dose are here too, so
-- that alerts of a case that became one of these are seen to have lapsed. Discontinued cases are
-- judged: their dose was given. procedure_code falls back to the name as sent: an unmapped name is
-- its own kind. patient_key is a number within this answer: the key itself never leaves.
-- Roles: system.
select
    procedure_id, site, accession_number, procedure_start_at, performed_on, run_id, modality,
    procedure_code as mapped_code, procedure_name,
    coalesce(procedure_code, procedure_name) as procedure_code,
    size_band(age_years, weight_kg, bmi) as size_band,
    status, age_years, bmi, room, device, operator,
    case when patient_key is not null then hash(patient_key) end as patient_key,
    air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy, peak_skin_dose_mgy,
    not is_test and status <> 'deleted' and coalesce(
        air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy,
        peak_skin_dose_mgy
    ) is not null as counts
from procedure
where modality in ('CT', 'fluoroscopy')
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
