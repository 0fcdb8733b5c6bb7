-- Names without a code, as they stand in the warehouse now. Table unmapped_input: what the files of
-- this run suggested.
create or replace temp table suggested as
select name, suggestions from unmapped_input where len(suggestions) > 0
union all
select name, suggestions from unmapped_name;

delete from unmapped_name;

insert into unmapped_name by name
with counted as (
    select procedure_name as name, count(*) as count
    from procedure
    where procedure_code is null and procedure_name is not null and status <> 'deleted'
    group by procedure_name
),
best as (
    select name, arg_max(suggestions, len(suggestions)) as suggestions from suggested group by name
)
select c.name, c.count, coalesce(b.suggestions, []) as suggestions
from counted c
left join best b using (name)
order by c.count desc, c.name;
