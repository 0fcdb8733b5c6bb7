-- The latest corrections: what changed, from what to what. Grain: procedure × change × field.
-- Parameters: scope; most (corrections at most, not fields). n_changes counts them all. UTC.
-- Roles: rso.
with in_scope as not materialized (
    select procedure_id, superseded_at
    from procedure_history
    where $scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site)
),

latest as (
    select procedure_id, superseded_at
    from in_scope
    order by superseded_at desc, procedure_id
    limit $most::bigint
),

chosen as (select distinct procedure_id from latest),

-- include: version_changes

select
    c.*, p.performed_on, p.site, p.room, p.modality,
    (select count(*) from in_scope) as n_changes
from version_changes c
join procedure p using (procedure_id)
where exists (
    from latest l
    where l.procedure_id = c.procedure_id and l.superseded_at at time zone 'UTC' = c.changed_at
)
order by c.changed_at desc, c.procedure_id, c.field
