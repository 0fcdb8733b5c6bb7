-- A patient's rows of table dose_report. Table own.
select t.* replace (source_at::varchar as source_at) from dose_report t semi join own using (procedure_id);
