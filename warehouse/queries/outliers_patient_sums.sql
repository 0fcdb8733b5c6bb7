-- Cases of patients whose air kerma adds up to a level within a span of days; analytics.outliers
-- rolls the window. Grain: procedure. Parameters: scope, sum_from and sum_to (days), sum_level (mGy).
-- patient_key here is a number within this answer: the key itself never leaves the warehouse.
with cases as not materialized (
    select procedure_id, performed_on, modality, patient_key, air_kerma_mgy
    from procedure
    where not is_test and status = 'completed' and air_kerma_mgy > 0 and patient_key is not null
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and performed_on between $sum_from::date and $sum_to::date
),

suspects as (
    select patient_key, row_number() over (order by patient_key)::varchar as patient
    from cases
    group by patient_key
    having sum(air_kerma_mgy) >= $sum_level::double and count(*) > 1
)

select c.procedure_id, c.performed_on, c.modality, s.patient as patient_key, c.air_kerma_mgy
from cases c
join suspects s using (patient_key)
order by s.patient, c.performed_on, c.procedure_id
