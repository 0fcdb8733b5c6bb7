-- Why rows were rejected. Grain: rule. Parameters: scope. A row counts under each of its rules.
-- Roles: rso.
with seen as not materialized (
    select rules, reasons, path, resolved_by_run, run_id
    from rejected_row
    where $scope_sites::varchar[] is null
        or list_contains($scope_sites::varchar[], site)
)

select
    rule,
    count(*) filter (where resolved_by_run is null) as open,
    count(*) filter (where resolved_by_run is not null) as resolved,
    count(distinct path) as files,
    max(run_id) as last_run,
    any_value(reasons[1]) as example
from (select unnest(rules) as rule, reasons, path, resolved_by_run, run_id from seen)
group by rule
order by open desc, resolved desc, rule
