-- A patient's rows of table outcome. Table own.
select t.* from outcome t semi join own using (procedure_id);
