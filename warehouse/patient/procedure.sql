-- A patient's rows of table procedure. Table own.
select t.* replace (source_at::varchar as source_at) from procedure t semi join own using (procedure_id);
