-- A patient's rows of table irradiation_event. Table own.
select t.* from irradiation_event t semi join own using (procedure_id);
