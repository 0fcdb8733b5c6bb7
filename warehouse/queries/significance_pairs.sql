-- Two quantities of the same procedures, counted: agreement and association are exact from these rows.
-- Grain: one row per pair of values that are both known.
-- Parameters: filters, scope, x and y (names of the list), or x_extra and y_extra (further columns of
-- the log, by name: their text), first_of_patient. CTDIvol and DLP of the 16 cm phantom are left out.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient
,

paired as (
    select
    case $x::varchar
        when 'age_years' then age_years
        when 'bmi' then bmi
        when 'weight_kg' then weight_kg
        when 'n_levels' then n_levels
        when 'duration_min' then duration_min
        when 'fluoro_time_s' then fluoro_time_s
        when 'kap_gycm2' then kap_gycm2
        when 'air_kerma_mgy' then air_kerma_mgy
        when 'dlp_mgycm' then case when ctdi_phantom_cm is distinct from 16 then dlp_mgycm end
        when 'ctdi_vol_mgy' then case when ctdi_phantom_cm is distinct from 16 then ctdi_vol_mgy end
        when 'ssde_mgy' then ssde_mgy
        when 'peak_skin_dose_mgy' then peak_skin_dose_mgy
        when 'pain_baseline' then pain_baseline / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'pain_15min' then pain_15min / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'pain_1mo' then pain_1mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'odi_baseline' then odi_baseline
        when 'odi_1mo' then odi_1mo
        when 'satisfaction' then satisfaction
    end as x,
    case $y::varchar
        when 'age_years' then age_years
        when 'bmi' then bmi
        when 'weight_kg' then weight_kg
        when 'n_levels' then n_levels
        when 'duration_min' then duration_min
        when 'fluoro_time_s' then fluoro_time_s
        when 'kap_gycm2' then kap_gycm2
        when 'air_kerma_mgy' then air_kerma_mgy
        when 'dlp_mgycm' then case when ctdi_phantom_cm is distinct from 16 then dlp_mgycm end
        when 'ctdi_vol_mgy' then case when ctdi_phantom_cm is distinct from 16 then ctdi_vol_mgy end
        when 'ssde_mgy' then ssde_mgy
        when 'peak_skin_dose_mgy' then peak_skin_dose_mgy
        when 'pain_baseline' then pain_baseline / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'pain_15min' then pain_15min / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'pain_1mo' then pain_1mo / case when pain_scale = 'VAS 0-100' then 10 else 1 end
        when 'odi_baseline' then odi_baseline
        when 'odi_1mo' then odi_1mo
        when 'satisfaction' then satisfaction
    end as y,
    case when $x_extra::varchar is not null
        then from_json(extra, '"MAP(VARCHAR, VARCHAR)"')[$x_extra::varchar] end as x_text,
    case when $y_extra::varchar is not null
        then from_json(extra, '"MAP(VARCHAR, VARCHAR)"')[$y_extra::varchar] end as y_text
    from chosen
)

select *, count(*)::bigint as count
from paired
where coalesce(x::varchar, x_text) is not null and coalesce(y::varchar, y_text) is not null
group by all
