-- Values of one dose index in a stretch of days, as narrow as can be: the distributions that cases are
-- held against are made of them. Grain: procedure with a positive value. Parameters: scope; runs;
-- quantity; since, until (days; until itself is left out).
-- Roles: system.
with
-- include: counted_cases
,

measured as (
    select
        case_group, kind, performed_on,
-- include: ruled_quantity
        as value
    from counted
    where status = 'completed' and procedure_code is not null
)

select *
from measured
where performed_on >= $since::date and performed_on < $until::date and value > 0 and isfinite(value)
