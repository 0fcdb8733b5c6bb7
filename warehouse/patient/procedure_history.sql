-- A patient's superseded versions. Table own. Parameters: $patients.
select t.* replace (source_at::varchar as source_at, superseded_at::varchar as superseded_at)
from procedure_history t
where list_contains($patients::varchar[], patient_key)
    or procedure_id in (select procedure_id from own);
