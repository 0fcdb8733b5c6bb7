-- A patient's rows of table procedure_part. Table own.
select t.* replace (source_at::varchar as source_at) from procedure_part t semi join own using (procedure_id);
