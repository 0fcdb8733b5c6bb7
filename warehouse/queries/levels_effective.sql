-- The doses from which effective dose is estimated, counted. Grain: one row per site, modality,
-- region, age of a child and value of DLP (CT) or KAP (fluoroscopy).
-- Parameters: filters, scope. The age of an adult is null: coefficients differ by age for children
-- only.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    site,
    modality,
    region,
    case when age_years < 16 then floor(age_years) end as age_years,
    case when modality = 'CT' then dlp_mgycm end as dlp_mgycm,
    case when modality = 'fluoroscopy' then kap_gycm2 end as kap_gycm2,
    count(*) as n
from filtered
where modality <> 'ultrasound'
group by all
