-- A patient's rows of table raw_value. Table own.
select t.* from raw_value t semi join own using (procedure_id);
