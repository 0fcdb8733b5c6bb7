-- The patients concerned by the runs whose doses together reach a sum: all their cases may be judged
-- by it. Grain: patient. Parameters: scope; runs; quantity; least_sum.
-- Roles: system.
with
-- include: counted_cases
,

measured as (
    select
        patient_key,
-- include: ruled_quantity
        as value
    from counted
    where patient_key in (select patient_key from counted where judged)
)

select patient_key
from measured
where value > 0
group by patient_key
having sum(value) >= $least_sum::double
order by patient_key
