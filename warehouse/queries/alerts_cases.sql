-- Some cases as the outlier rules judge them. Grain: procedure. Parameters: scope; runs; ids (the
-- numbers of the cases).
-- Roles: system.
with
-- include: counted_cases

select * exclude (case_group, kind, child)
from counted
where procedure_id in (select unnest($ids::bigint[]))
order by procedure_id
