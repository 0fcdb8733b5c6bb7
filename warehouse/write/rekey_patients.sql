-- Every pseudonym in the warehouse. Grain: patient. Parameters: none.
select patient_key from procedure where patient_key is not null
union
select patient_key from procedure_part where patient_key is not null
union
select patient_key from procedure_history where patient_key is not null;
