-- The numbers of the cases that an outlier rule may find: no other can exceed a limit. Grain: procedure.
-- Parameters: scope; runs (their cases are judged); case_groups with least_… (the lowest limit of each
-- dose index in each group, null where there is none); sites and machines with least_area and
-- most_area (cm2, outside which a unit is suspect); patients, of whom all cases are here. Numbers only:
-- whole rows of ten million cases would not fit into the memory of a night.
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

found as (
    select c.procedure_id
    from counted c
    left join limits l using (case_group)
    left join machine m
        on m.site = c.site and m.machine = coalesce(c.device, c.room, 'machine not stated')
    where c.judged
        and (
            c.air_kerma_mgy >= l.air_kerma_mgy
            or c.kap_gycm2 >= l.kap_gycm2
            or c.fluoro_time_s >= l.fluoro_time_s
            or c.ctdi_vol_mgy >= l.ctdi_vol_mgy
            or c.dlp_mgycm >= l.dlp_mgycm
            or c.ssde_mgy >= l.ssde_mgy
            or c.peak_skin_dose_mgy >= l.peak_skin_dose_mgy
            or (
                c.kap_gycm2 > 0
                and c.air_kerma_mgy > 0
                and not coalesce(
                    1000 * c.kap_gycm2 / c.air_kerma_mgy between m.least_area and m.most_area, true
                )
            )
        )
)

select procedure_id from found
union
select procedure_id from counted where patient_key in (select unnest($patients::ubigint[]))
order by procedure_id
