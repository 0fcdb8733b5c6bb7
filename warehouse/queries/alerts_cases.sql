-- The cases that an outlier rule may find: no other can exceed a limit. Grain: procedure.
-- Parameters: scope; runs (their cases are judged); case_groups with least_… (the lowest limit of each
-- dose index in each group, null where there is none); sites and machines with least_area and
-- most_area (cm2, outside which a unit is suspect); sum_… (the lowest limit of a patient's sum).
-- Of patients whose doses reach such a sum all cases are here, judged or not.
-- Roles: system.
with
-- include: counted_cases
,

limits as (
    select
        unnest($case_groups::ubigint[]) as case_group,
        unnest($least_air_kerma_mgy::double[]) as air_kerma_mgy,
        unnest($least_kap_gycm2::double[]) as kap_gycm2,
        unnest($least_fluoro_time_s::double[]) as fluoro_time_s,
        unnest($least_ctdi_vol_mgy::double[]) as ctdi_vol_mgy,
        unnest($least_dlp_mgycm::double[]) as dlp_mgycm,
        unnest($least_ssde_mgy::double[]) as ssde_mgy,
        unnest($least_peak_skin_dose_mgy::double[]) as peak_skin_dose_mgy
),

machine as (
    select
        unnest($sites::varchar[]) as site,
        unnest($machines::varchar[]) as machine,
        unnest($least_area::double[]) as least_area,
        unnest($most_area::double[]) as most_area
),

suspect as (
    select patient_key
    from counted
    where patient_key in (select patient_key from counted where judged)
    group by patient_key
    having sum(air_kerma_mgy) >= $sum_air_kerma_mgy::double
        or sum(kap_gycm2) >= $sum_kap_gycm2::double
        or sum(fluoro_time_s) >= $sum_fluoro_time_s::double
        or sum(ctdi_vol_mgy) >= $sum_ctdi_vol_mgy::double
        or sum(dlp_mgycm) >= $sum_dlp_mgycm::double
        or sum(ssde_mgy) >= $sum_ssde_mgy::double
        or sum(peak_skin_dose_mgy) >= $sum_peak_skin_dose_mgy::double
),

found as (
    select c.procedure_id
    from counted c
    join limits l using (case_group)
    where c.judged
        and (
            c.air_kerma_mgy >= l.air_kerma_mgy
            or c.kap_gycm2 >= l.kap_gycm2
            or c.fluoro_time_s >= l.fluoro_time_s
            or c.ctdi_vol_mgy >= l.ctdi_vol_mgy
            or c.dlp_mgycm >= l.dlp_mgycm
            or c.ssde_mgy >= l.ssde_mgy
            or c.peak_skin_dose_mgy >= l.peak_skin_dose_mgy
        )
    union
    select c.procedure_id
    from counted c
    join machine m on m.site = c.site and m.machine = coalesce(c.device, c.room, 'machine not stated')
    where c.judged
        and c.kap_gycm2 > 0
        and c.air_kerma_mgy > 0
        and (
            1000 * c.kap_gycm2 / c.air_kerma_mgy <= m.least_area
            or 1000 * c.kap_gycm2 / c.air_kerma_mgy >= m.most_area
        )
    union
    select c.procedure_id
    from counted c
    where c.patient_key in (select patient_key from suspect)
)

select * exclude (case_group, child)
from counted
where procedure_id in (select procedure_id from found)
order by procedure_id
