-- Every value of one dose index that some groups and kinds of cases have, as alerts_values.
-- Grain: procedure with a positive value. Parameters: scope; runs; quantity; case_groups, kinds.
-- Roles: system.
with
-- include: counted_cases
,

-- include: ruled_values

select *
from measured
where value > 0 and isfinite(value)
    and (
        list_contains($case_groups::ubigint[], case_group)
        or list_contains($kinds::ubigint[], kind)
    )
