-- Durations with what may lengthen them, of at most so many procedures, drawn evenly.
-- Grain: one row per procedure with a duration above 0; minutes.
-- Parameters: filters, scope, most (procedures).
-- The draw is by a hash of the procedure, so the same snapshot gives the same procedures.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    coalesce(procedure_code, 'unmapped') as "procedure",
    duration_min,
    n_levels::double as n_levels,
    trainee::integer::double as trainee,
    bmi
from filtered
where duration_min > 0
qualify row_number() over (order by hash(procedure_id)) <= $most::bigint
