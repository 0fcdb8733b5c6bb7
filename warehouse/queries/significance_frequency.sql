-- One outcome by group, counted: every rank test, quantile and ratio is exact from these rows.
-- Grain: one row per stratum, group and value. A missing value is the row with a null value.
-- Parameters: filters, scope, outcome (a column, or complication, pain_10_<time>, pain_relief_1mo),
-- group_by (modality, procedure, site, room, operator, device, sex, trainee, year),
-- stratum (procedure, or null for none).
-- Pain is on the scale 0 to 10, whatever scale was used; a complication is 0 or 1.
with
-- include: filtered

select
    case $stratum::varchar when 'procedure' then coalesce(procedure_code, 'unmapped') end
        as stratum,
    case $group_by::varchar
        when 'modality' then modality
        when 'procedure' then coalesce(procedure_code, 'unmapped')
        when 'site' then site
        when 'room' then room
        when 'operator' then operator
        when 'device' then device
        when 'sex' then sex
        when 'trainee' then case when trainee then 'trainee' when not trainee then 'no trainee' end
        when 'year' then year(performed_on)::varchar
    end as "group",
    case $outcome::varchar
        when 'effective_dose_msv' then effective_dose_msv
        when 'air_kerma_mgy' then air_kerma_mgy
        when 'kap_gycm2' then kap_gycm2
        when 'fluoro_time_s' then fluoro_time_s
        when 'ctdi_vol_mgy' then ctdi_vol_mgy
        when 'dlp_mgycm' then dlp_mgycm
        when 'ssde_mgy' then ssde_mgy
        when 'peak_skin_dose_mgy' then peak_skin_dose_mgy
        when 'duration_min' then duration_min
        when 'satisfaction' then satisfaction::double
        when 'satisfied' then (satisfaction >= 4)::int::double
        when 'complication' then (complications <> 'none')::int::double
        when 'pain_10_baseline' then pain_baseline / (case when pain_scale = 'VAS 0-100' then 10 else 1 end)
        when 'pain_10_1mo' then pain_1mo / (case when pain_scale = 'VAS 0-100' then 10 else 1 end)
        when 'pain_10_3mo' then pain_3mo / (case when pain_scale = 'VAS 0-100' then 10 else 1 end)
        when 'pain_10_6mo' then pain_6mo / (case when pain_scale = 'VAS 0-100' then 10 else 1 end)
        when 'pain_relief_1mo' then (pain_baseline - pain_1mo)
            / (case when pain_scale = 'VAS 0-100' then 10 else 1 end)
        when 'odi_1mo' then odi_1mo
        when 'odi_6mo' then odi_6mo
    end as value,
    count(*) as count
from filtered
group by all
