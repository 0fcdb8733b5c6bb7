-- Counts per day: see table daily. Adds what changed (counted) to what stands.
create or replace temp table daily_now as
select
    performed_on, site, modality, status, is_test,
    sum(n)::bigint as n,
    sum(n_dose)::bigint as n_dose
from (
    select * from daily
    union all by name
    select performed_on, site, modality, status, is_test, sign as n, if(has_dose, sign, 0) as n_dose
    from counted
)
group by performed_on, site, modality, status, is_test
having sum(n) <> 0;

delete from daily;

insert into daily by name
from daily_now order by performed_on, site, modality, status, is_test;
