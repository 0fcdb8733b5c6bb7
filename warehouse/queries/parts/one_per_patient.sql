-- chosen: the filtered procedures, or of each patient only the first when $first_of_patient.
-- Grain: one row per procedure. Procedures without a patient all stay.
chosen as not materialized (
    select *
    from filtered
    where not $first_of_patient::boolean
        or patient_key is null
        or procedure_id in (
            select arg_min(procedure_id, row(performed_on, procedure_id))
            from filtered
            where patient_key is not null
            group by hash(patient_key)
        )
)
