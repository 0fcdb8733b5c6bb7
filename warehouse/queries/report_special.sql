-- Children and patients with a recorded pregnancy, who are looked at apart.
-- Grain: one row per modality, group and size band. Parameters: filters, scope.
-- A blank pregnancy status is not "no": whoever counts these says so.
-- Roles: rso.
with
-- include: filtered
,

grouped as (
    select
        modality,
        case
            when age_years < 16 then 'children under 16 years'
            when pregnancy_status in ('pregnant', 'possibly pregnant') then pregnancy_status
        end as "group",
        case when age_years < 16 then size_band(age_years, weight_kg, bmi) end as size_band,
        coalesce(kap_gycm2, air_kerma_mgy, dlp_mgycm, ctdi_vol_mgy, ssde_mgy, dose_mgy)
            is not null as dosed
    from filtered
    where modality in ('CT', 'fluoroscopy')
)

select modality, "group", size_band, count(*) as n, count(*) filter (where dosed) as n_with_dose
from grouped
where "group" is not null
group by all
order by "group", modality, size_band
