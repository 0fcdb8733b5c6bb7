-- What the modalities are compared by, counted, so that ranks, medians and means are exact.
-- Grain: one row per measure, modality, procedure and value; DLP and KAP by region and age of a child
-- too, from which effective dose is estimated. A missing value is the row with a null value, a
-- procedure that is not mapped a null procedure.
-- Parameters: filters, scope, first_of_patient.
-- Pain relief is baseline minus one month on the scale 0 to 10, whatever scale was used. A dose that
-- a modality cannot have is no row; one count per measure is faster than one over unpivoted rows.
-- The age of an adult is null: coefficients differ by age for children only. Air kerma and CTDIvol
-- are described by modality only: their procedure is null.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient
,

base as materialized (
    select
        modality,
        procedure_code as "procedure",
        region,
        case when age_years < 16 then floor(age_years) end as age_years,
        kap_gycm2,
        air_kerma_mgy,
        dlp_mgycm,
        ctdi_vol_mgy,
        duration_min,
        satisfaction::double as satisfaction,
        (complications <> 'none')::int::double as complication,
        (pain_baseline - pain_1mo) / case when pain_scale = 'VAS 0-100' then 10 else 1 end
            as pain_relief_1mo
    from chosen
)

select
    'kap_gycm2' as measure, modality, "procedure", region, age_years, kap_gycm2 as value,
    count(*) as n
from base
where modality = 'fluoroscopy'
group by all
union all
select 'dlp_mgycm', modality, "procedure", region, age_years, dlp_mgycm, count(*)
from base
where modality = 'CT'
group by all
union all
select 'air_kerma_mgy', modality, null, null, null, air_kerma_mgy, count(*)
from base
where modality = 'fluoroscopy'
group by all
union all
select 'ctdi_vol_mgy', modality, null, null, null, ctdi_vol_mgy, count(*)
from base
where modality = 'CT'
group by all
union all
select 'duration_min', modality, "procedure", null, null, duration_min, count(*)
from base
group by all
union all
select 'satisfaction', modality, "procedure", null, null, satisfaction, count(*)
from base
group by all
union all
select 'complication', modality, "procedure", null, null, complication, count(*)
from base
group by all
union all
select 'pain_relief_1mo', modality, "procedure", null, null, pain_relief_1mo, count(*)
from base
group by all
