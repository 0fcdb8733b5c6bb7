-- Every case that has a dose, as the outlier rules judge it. Grain: procedure. Parameters: scope.
-- Cancelled or discontinued cases are in it (their dose was given), test patients are not.
-- procedure_code falls back to the name as sent: an unmapped name is its own kind. patient_key is
-- a number within this answer: the key itself never leaves the warehouse.
select
    procedure_id, site, accession_number, procedure_start_at, performed_on, run_id, modality,
    procedure_code as mapped_code, procedure_name, region,
    coalesce(procedure_code, procedure_name) as procedure_code,
    size_band(age_years, weight_kg, bmi) as size_band,
    status, age_years, bmi, room, device, operator,
    case when patient_key is not null then hash(patient_key) end as patient_key,
    air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy, peak_skin_dose_mgy
from procedure
where not is_test and status <> 'deleted' and modality in ('CT', 'fluoroscopy')
    and coalesce(
        air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy,
        peak_skin_dose_mgy
    ) is not null
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
