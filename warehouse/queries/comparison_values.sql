-- What the modalities are compared by, counted, so that ranks and medians are exact.
-- Grain: one row per measure, modality and value. A missing value is the row with a null value.
-- Parameters: filters, scope, first_of_patient.
-- Pain relief is baseline minus one month on the scale 0 to 10, whatever scale was used. A dose that
-- a modality cannot have is no row; one count per measure is faster than one over unpivoted rows.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient
,

base as materialized (
    select
        modality,
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

select 'kap_gycm2' as measure, modality, kap_gycm2 as value, count(*) as n
from base
where modality = 'fluoroscopy'
group by all
union all
select 'air_kerma_mgy' as measure, modality, air_kerma_mgy as value, count(*) as n
from base
where modality = 'fluoroscopy'
group by all
union all
select 'dlp_mgycm' as measure, modality, dlp_mgycm as value, count(*) as n
from base
where modality = 'CT'
group by all
union all
select 'ctdi_vol_mgy' as measure, modality, ctdi_vol_mgy as value, count(*) as n
from base
where modality = 'CT'
group by all
union all
select 'duration_min' as measure, modality, duration_min as value, count(*) as n
from base
group by all
union all
select 'satisfaction' as measure, modality, satisfaction as value, count(*) as n
from base
group by all
union all
select 'complication' as measure, modality, complication as value, count(*) as n
from base
group by all
union all
select 'pain_relief_1mo' as measure, modality, pain_relief_1mo as value, count(*) as n
from base
group by all
