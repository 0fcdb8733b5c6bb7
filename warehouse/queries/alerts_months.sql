-- How many cases of each month are to be judged. Grain: month that has such cases. Parameters: scope;
-- runs (their cases are judged).
-- Roles: system.
with
-- include: counted_cases

select date_trunc('month', performed_on)::date as month, count(*) as judged
from counted
where judged
group by month
order by month
