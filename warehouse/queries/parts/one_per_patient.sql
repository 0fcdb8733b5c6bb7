-- chosen: the filtered procedures, or of each patient only the first when $first_of_patient.
-- Grain: one row per procedure. Procedures without a patient all stay.
-- Day and procedure_id are one number, the day above the lower 40 bits (2^40 = 1099511627776): its
-- minimum takes half as long as arg_min over rows.
chosen as not materialized (
    select *
    from filtered
    where not $first_of_patient::boolean
        or patient_key is null
        or procedure_id in (
            select min((performed_on - date '1970-01-01') * 1099511627776 + procedure_id)
                & 1099511627775
            from filtered
            where patient_key is not null
            group by hash(patient_key)
        )
)
