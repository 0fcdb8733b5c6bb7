-- What one writing connection needs: the shape of a staged file, its rows with key and hash, and
-- the ids that the run touches. Parameters: none.
create or replace temp table procedure_input as
select
    * exclude (procedure_id, dose_source, source_at, source_file_id, row_hash, run_id),
    null::timestamptz as updated_at,
    null::bigint as file_row_number,
    null::integer as staged_file
from procedure limit 0;

-- Without an accession number the key is site, device, start to the second, modality.
create or replace temp macro staged(path) as table
select
    * exclude (file_row_number) replace (
        coalesce(flags, []) as flags,
        coalesce(is_test, false) as is_test,
        coalesce(status, 'completed') as status,
        -- 90 means 90 and more, unless exact ages may be stored.
        if(age_years > getvariable('oldest_age'), 90, age_years) as age_years
    ),
    file_row_number as row_no,
    if(accession_number is null, device, null) as key_device,
    if(
        accession_number is null,
        coalesce(date_trunc('second', procedure_start_at), performed_on::timestamp),
        null
    ) as key_start,
    if(accession_number is null, modality, null) as key_modality,
    hash(site, accession_number, key_device, key_start, key_modality) as key_hash
from (
    select * from procedure_input
    union all by name
    select * from read_parquet(path, file_row_number = true)
);

create or replace temp macro incoming(path) as table
select
    *,
    hash(
        study_uid, modality, second_modality, procedure_start_at, procedure_name, patient_key, age_years, sex, weight_kg, height_cm, bmi,
        pregnancy_status, operator, trainee, room, device, levels, n_levels, laterality, status,
        cancel_reason, is_test, ordered_at, scheduled_at, arrived_at, room_in_at, procedure_end_at,
        room_out_at, report_signed_at, duration_min, dose_mgy, dose_index, air_kerma_mgy, kap_gycm2,
        fluoro_time_s, ctdi_vol_mgy, ctdi_phantom_cm, dlp_mgycm, ssde_mgy, peak_skin_dose_mgy,
        effective_dose_msv, complications, complication_scale, satisfaction, pain_scale,
        pain_baseline, pain_15min, pain_1wk, pain_2wk, pain_1mo, pain_2mo, pain_3mo, pain_6mo,
        odi_baseline, odi_1wk, odi_2wk, odi_1mo, odi_2mo, odi_3mo, odi_6mo, ndi_baseline, ndi_1wk,
        ndi_2wk, ndi_1mo, ndi_2mo, ndi_3mo, ndi_6mo, contrast_pattern, injectate, extra, flags
    ) as row_hash
from staged(path);

-- The columns that a stored procedure has; what a staged row carries besides is left out by name.
create or replace temp macro procedure_rows(path, source_time) as table
select
    * exclude (
        updated_at, staged_file, key_device, key_start, key_modality, key_hash
    ),
    coalesce(updated_at, source_time::timestamptz) as source_at,
    if(
        coalesce(
            air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy,
            peak_skin_dose_mgy, dose_mgy
        ) is null,
        null,
        'log'
    ) as dose_source
from incoming(path);

-- Whether a report can be of a procedure of the same accession number and day that is filed under another
-- site: a report names an institution, a log its site.
create or replace temp macro same_case(modality, second_modality, patient_key, of_report, its_patient) as
    (modality = of_report or second_modality = of_report)
    and coalesce(patient_key = its_patient, true);

-- Whether two totals are one within rounding; null where one of them says none.
create or replace temp macro same_total(a, b) as abs(a - b) <= 0.001 * greatest(abs(a), abs(b)) + 1e-5;

-- Whether two reports say the same doses: all totals that both have are equal, and there is one.
create or replace temp macro same_totals(a, b) as
    coalesce(
        same_total(a.kap_gycm2, b.kap_gycm2),
        same_total(a.dlp_mgycm, b.dlp_mgycm),
        same_total(a.air_kerma_mgy, b.air_kerma_mgy),
        same_total(a.fluoro_time_s, b.fluoro_time_s),
        false
    )
    and coalesce(same_total(a.kap_gycm2, b.kap_gycm2), true)
    and coalesce(same_total(a.dlp_mgycm, b.dlp_mgycm), true)
    and coalesce(same_total(a.air_kerma_mgy, b.air_kerma_mgy), true)
    and coalesce(same_total(a.fluoro_time_s, b.fluoro_time_s), true);

create or replace temp table touched (procedure_id bigint);
create or replace temp table reused (site varchar, accession_number varchar);
create or replace temp table recombine (procedure_id bigint);
