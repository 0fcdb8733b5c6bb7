-- One outcome by group, counted: every rank test, quantile and ratio is exact from these rows.
-- Grain: one row per stratum, group and value. A missing value is the row with a null value.
-- Parameters: filters, scope, outcome (see the list), group_by, stratum (procedure, or null for none),
-- first_of_patient.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient

select
-- include: chosen_group
-- include: outcome_value
    as value,
    count(*) as count
from chosen
group by all
