-- What the filter bar can offer: see table filter_value. Withdrawn procedures are left out.
delete from filter_value;

insert into filter_value
with seen as not materialized (
    select site, modality, coalesce(procedure_code, 'unmapped') as procedure, room, operator
    from procedure
    where not is_test and status = 'completed'
),
counted as (
    select
        site, modality, procedure, room, operator,
        grouping_id(modality, procedure, room, operator) as grouping,
        count(*) as n
    from seen
    group by grouping sets ((site, modality), (site, procedure), (site, room), (site, operator))
)
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
from counted
where value is not null
order by field, n desc, value, site;
