-- The cases of one day, to enter an outcome of one: satisfaction, complications or a score.
-- Grain: one row per completed case with an accession number, which entries go by; at most $most.
-- Parameters: scope, day (null: the last one with such a case), most.
-- Roles: physician, rso.
with cases as (
    select
        procedure_id, site, accession_number, performed_on, procedure_start_at, room,
        coalesce(procedure_code, 'unmapped') as "procedure", operator,
        complications is not null as has_complications, satisfaction is not null as has_satisfaction
    from procedure
    where not is_test
        and status = 'completed'
        and accession_number is not null
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($scope_operators::varchar[] is null
            or list_contains($scope_operators::varchar[], operator))
        and ($day::date is null or performed_on = $day::date)
)

select *
from cases
where performed_on = (select max(performed_on) from cases)
order by site, procedure_start_at nulls last, procedure_id
limit $most::bigint
