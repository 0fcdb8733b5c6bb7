-- What was done. Grain: one row per site, modality, procedure and month. Parameters: filters, scope.
-- Roles: rso.
with
-- include: filtered

select
    site,
    modality,
    coalesce(procedure_code, 'unmapped') as procedure_code,
    date_trunc('month', performed_on)::date as month,
    count(*) as n
from filtered
group by all
order by site, modality, procedure_code, month
