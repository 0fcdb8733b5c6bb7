-- Every completed case's value of one dose index, as narrow as can be: the distributions that cases
-- are held against are made of them. Grain: procedure with a positive value. Parameters: scope; runs;
-- quantity.
-- Roles: system.
with
-- include: counted_cases
,

measured as (
    select
        case_group, performed_on,
-- include: ruled_quantity
        as value
    from counted
    where status = 'completed' and procedure_code is not null
)

select case_group, performed_on, value
from measured
where value > 0 and isfinite(value)
