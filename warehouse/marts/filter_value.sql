-- What the filter bar can offer: see table filter_value. Adds what changed (counted) to what stands.
create or replace temp table filter_value_now as
with seen as not materialized (
    select sign, site, modality, coalesce(procedure_code, 'unmapped') as procedure, room, operator
    from counted
    where not is_test and status = 'completed'
),
grouped as (
    select
        site, modality, procedure, room, operator,
        grouping_id(modality, procedure, room, operator) as grouping,
        sum(sign) as n
    from seen
    group by grouping sets ((site, modality), (site, procedure), (site, room), (site, operator))
),
named as (
    select
        site,
        case grouping
            when 7 then 'modality'
            when 11 then 'procedure'
            when 13 then 'room'
            when 14 then 'operator'
        end as field,
        coalesce(modality, procedure, room, operator) as value,
        n
    from grouped
    union all
    select site, field, value, n from filter_value
)
select site, field, value, sum(n)::bigint as n
from named
where value is not null
group by site, field, value
having sum(n) <> 0;

delete from filter_value;

insert into filter_value by name
from filter_value_now order by field, n desc, value, site;
