-- How many procedures are of patients with several. Grain: one row.
-- Parameters: filters, scope. Grouping by a 64-bit hash of the key is three times faster than by the
-- key itself. Procedures without a patient are not known to be repeated.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

visits as (
    select count(*) as n
    from filtered
    where patient_key is not null
    group by hash(patient_key)
)

select
    coalesce(sum(n), 0)::bigint as n_known,
    coalesce(sum(n) filter (where n > 1), 0)::bigint as n_repeated
from visits
