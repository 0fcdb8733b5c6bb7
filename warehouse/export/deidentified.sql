-- What a de-identified export is made of. Grain: procedure, without test patients and withdrawn ones.
-- Parameters: none. Times become minutes; free text, accession numbers and UIDs stay behind.
select
    procedure_id,
    patient_key,
    site, operator, room, device,
    performed_on,
    modality, second_modality, procedure_code, procedure_family, region,
    age_years, sex, size_band(age_years, weight_kg, bmi) as size_band,
    trainee, n_levels, laterality, status,
    date_diff('minute', arrived_at, room_in_at) as waiting_min,
    date_diff('minute', room_in_at, room_out_at) as room_min,
    duration_min,
    dose_mgy, dose_index, air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, ctdi_phantom_cm,
    dlp_mgycm, ssde_mgy, peak_skin_dose_mgy,
    list_sort(list_distinct(list_transform(
        string_split(complications, '|'), lambda entry: trim(split_part(entry, ':', 1))
    ))) as complications,
    complication_scale, satisfaction, pain_scale,
    columns('^(pain|odi|ndi)_(baseline|15min|[12]wk|[1236]mo)$')
from procedure
where not is_test and status <> 'deleted'
order by procedure_id;
