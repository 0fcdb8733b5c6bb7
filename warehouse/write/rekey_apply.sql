-- Put fresh pseudonyms for former ones. Parameters: $key_fingerprint (of all keys). Tables: rekey_input (former, fresh) of patients,
-- rekey_texts_input (former, fresh) of rejected rows. The flag of a reused accession number is
-- added after a row's hash is made, so it is no part of it.
update meta set key_fingerprint = $key_fingerprint;
update procedure set patient_key = r.fresh from rekey_input r where patient_key = r.former;
update procedure_part set patient_key = r.fresh from rekey_input r where patient_key = r.former;
update procedure_history set patient_key = r.fresh from rekey_input r where patient_key = r.former;
update rejected_row set raw_text = r.fresh from rekey_texts_input r where raw_text = r.former;

create or replace temp table rekeyed_procedure as
select
    * exclude (dose_source, source_at, source_file_id, row_hash, run_id)
    replace (list_filter(flags, lambda flag: flag <> 'accession_reused') as flags)
from procedure
where patient_key is not null;

create or replace temp table rekeyed_log as
select
    * exclude (dose_source, source_at, source_file_id, row_hash, run_id, part, report_uid)
    replace (list_filter(flags, lambda flag: flag <> 'accession_reused') as flags)
from procedure_part
where patient_key is not null and part = 'log';
