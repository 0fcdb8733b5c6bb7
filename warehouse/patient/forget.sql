-- Take a patient out. Tables own, own_rejected. Parameters: $patients.
delete from rejected_row r
using own_rejected o
where r.run_id = o.run_id and r.source_file_id = o.source_file_id and r.raw_text = o.raw_text;

delete from procedure_history
where list_contains($patients::varchar[], patient_key) or procedure_id in (select procedure_id from own);
delete from follow_up f
using own o
where f.procedure_id = o.procedure_id or (f.site = o.site and f.accession_number = o.accession_number);
delete from follow_up_history f
using own o
where f.procedure_id = o.procedure_id or (f.site = o.site and f.accession_number = o.accession_number);
delete from raw_value where procedure_id in (select procedure_id from own);
delete from irradiation_event where procedure_id in (select procedure_id from own);
delete from dose_report where procedure_id in (select procedure_id from own);
delete from complication where procedure_id in (select procedure_id from own);
delete from outcome where procedure_id in (select procedure_id from own);
delete from procedure_part where procedure_id in (select procedure_id from own);
delete from procedure where procedure_id in (select procedure_id from own);
