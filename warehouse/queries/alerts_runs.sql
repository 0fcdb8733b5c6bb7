-- The runs whose rows this warehouse holds. Grain: run. No parameters.
-- Roles: system.
select run_id
from run
where inserted + updated > 0
order by run_id
