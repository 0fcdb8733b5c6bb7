-- A patient's rows of table complication. Table own.
select t.* from complication t semi join own using (procedure_id);
