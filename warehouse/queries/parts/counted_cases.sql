-- counted: the CT and fluoroscopy cases that the outlier rules count, whoever judges them when.
-- Grain: one row per procedure with a dose, without test patients and withdrawn cases; discontinued
-- ones count, their dose was given. judged: of one of the runs $runs. procedure_code falls back to
-- the name as sent: an unmapped name is its own kind. kind stands for modality, procedure and child,
-- case_group for these and the size band; patient_key is a number: the key itself never leaves.
counted as not materialized (
    select
        procedure_id, site, accession_number, procedure_start_at, performed_on, modality,
        procedure_code as mapped_code, procedure_name,
        coalesce(procedure_code, procedure_name) as procedure_code,
        size_band(age_years, weight_kg, bmi) as size_band,
        coalesce(age_years < 16, false) as child,
        hash(modality, coalesce(procedure_code, procedure_name), size_band(age_years, weight_kg, bmi),
            coalesce(age_years < 16, false)) as case_group,
        hash(modality, coalesce(procedure_code, procedure_name), coalesce(age_years < 16, false)) as kind,
        status, age_years, bmi, region, ctdi_phantom_cm, room, device, operator,
        case when patient_key is not null then hash(patient_key) end as patient_key,
        air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy,
        peak_skin_dose_mgy,
        list_contains($runs::varchar[], run_id) as judged
    from procedure
    where modality in ('CT', 'fluoroscopy')
        and not is_test
        and status <> 'deleted'
        and coalesce(
            air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy,
            peak_skin_dose_mgy
        ) is not null
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
)
