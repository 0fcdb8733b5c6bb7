-- Complications by term, grade and scale as they were recorded.
-- Grain: one row per modality, procedure, month, term, grade and scale; n procedures. Nobody is left
-- out: 'none' is a term, and a procedure without any record has a null term.
-- Parameters: filters, scope.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    f.modality,
    coalesce(f.procedure_code, 'unmapped') as "procedure",
    date_trunc('month', f.performed_on)::date as month,
    c.term,
    c.grade,
    c.scale,
    count(*) as n
from filtered as f
left join complication as c on c.procedure_id = f.procedure_id
group by all
