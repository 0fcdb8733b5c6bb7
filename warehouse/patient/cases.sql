-- What belongs to a patient: table own (the cases) and own_rejected (rejected rows). Parameters:
-- $patients (the patient's pseudonyms under all keys so far), $short (these as old rejected rows have them).
create or replace temp table own as
select procedure_id, site, accession_number, performed_on, device, procedure_start_at, modality
from procedure
where list_contains($patients::varchar[], patient_key)
union
select procedure_id, site, accession_number, performed_on, device, procedure_start_at, modality
from procedure_part
where list_contains($patients::varchar[], patient_key);

create or replace temp table own_rejected as
select run_id, source_file_id, line, raw_text
from rejected_row r
where exists (
        select 1 from (select unnest($patients::varchar[] || $short::varchar[]) as mark) m
        where contains(r.raw_text, 'pseudonym:' || m.mark)
    )
    or exists (
        select 1 from own o where o.site = r.site and o.accession_number = r.accession_number
    );
