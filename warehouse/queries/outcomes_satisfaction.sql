-- Answers to the question of satisfaction, 1 to 5.
-- Grain: one row per modality, procedure, room and answer (null: none given); n procedures.
-- Parameters: filters, scope.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    modality,
    coalesce(procedure_code, 'unmapped') as "procedure",
    room,
    satisfaction as answer,
    count(*) as n
from filtered
group by all
