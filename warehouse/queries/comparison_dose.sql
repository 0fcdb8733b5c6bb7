-- The doses from which effective dose is estimated, counted. Grain: one row per modality, procedure,
-- region, age of a child and value of DLP (CT) or KAP (fluoroscopy).
-- Parameters: filters, scope, first_of_patient. The age of an adult is null: coefficients differ by age for children
-- only.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient

select
    modality,
    procedure_code as procedure,
    region,
    case when age_years < 16 then floor(age_years) end as age_years,
    case when modality = 'CT' then dlp_mgycm end as dlp_mgycm,
    case when modality = 'fluoroscopy' then kap_gycm2 end as kap_gycm2,
    count(*) as n
from chosen
where modality <> 'ultrasound'
group by all
