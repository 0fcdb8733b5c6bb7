-- How many procedures have complications documented, and how many had one.
-- Grain: one row per modality, procedure and month; a procedure with two terms counts once.
-- Parameters: filters, scope.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    modality,
    coalesce(procedure_code, 'unmapped') as "procedure",
    date_trunc('month', performed_on)::date as month,
    count(*) as n,
    count(complications) as n_documented,
    count(*) filter (complications <> 'none') as n_with
from filtered
group by all
