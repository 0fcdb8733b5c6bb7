-- The kinds of case that some months hold, and how many of each have which dose index. Grain: kind of
-- case (case_group). Parameters: scope; runs; months (their first days).
-- Roles: system.
with
-- include: counted_cases

select
    case_group,
    any_value(kind) as kind,
    any_value(modality) as modality,
    any_value(procedure_code) as procedure_code,
    any_value(size_band) as size_band,
    any_value(child) as child,
    count(*) filter (air_kerma_mgy > 0) as air_kerma_mgy,
    count(*) filter (kap_gycm2 > 0) as kap_gycm2,
    count(*) filter (fluoro_time_s > 0) as fluoro_time_s,
    count(*) filter (ctdi_vol_mgy > 0) as ctdi_vol_mgy,
    count(*) filter (dlp_mgycm > 0) as dlp_mgycm,
    count(*) filter (ssde_mgy > 0) as ssde_mgy,
    count(*) filter (peak_skin_dose_mgy > 0) as peak_skin_dose_mgy
from counted
where performed_on >= list_min($months::date[])
    and performed_on < list_max($months::date[]) + interval 1 month
    and list_contains($months::date[], date_trunc('month', performed_on)::date)
group by case_group
order by case_group
