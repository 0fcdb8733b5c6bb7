-- The source files that told of a patient. Tables own, own_rejected. Parameters: $patients.
select distinct f.path, f.sha256, f.arrived_at::varchar as arrived_at
from source_file f
semi join (
    select source_file_id from procedure semi join own using (procedure_id)
    union all
    select source_file_id from procedure_part semi join own using (procedure_id)
    union all
    select source_file_id from procedure_history where list_contains($patients::varchar[], patient_key)
    union all
    select source_file_id from procedure_history semi join own using (procedure_id)
    union all
    select source_file_id from dose_report semi join own using (procedure_id)
    union all
    select f.source_file_id from follow_up f join own o
        on f.procedure_id = o.procedure_id
        or (f.site = o.site and f.accession_number = o.accession_number)
    union all
    select source_file_id from own_rejected
) using (source_file_id)
order by f.path;
