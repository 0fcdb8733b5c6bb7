-- How many cases of each month the outlier rules count, and how many of them are to be judged.
-- Grain: month. Parameters: scope; runs (their cases are judged).
-- Roles: system.
with
-- include: counted_cases

select
    date_trunc('month', performed_on)::date as month,
    count(*) as n,
    count(*) filter (judged) as judged
from counted
group by month
order by month
