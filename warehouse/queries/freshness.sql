-- How fresh and how far the data is. Grain: one row.
-- Parameters: scope. Times of loads are UTC, data_from and data_to are days of the site.
-- Roles: manager, physician, rso.
with days as (
    select min(performed_on) as data_from, max(performed_on) as data_to
    from daily
    where not is_test
        and status = 'completed'
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
)

select
    data_from,
    data_to,
    (select max(ended_at) at time zone 'UTC' from run where outcome in ('ok', 'rejected'))
        as loaded_at,
    (
        select max(arrived_at) at time zone 'UTC'
        from source_file
        where status <> 'refused'
            and ($scope_sites::varchar[] is null or source_file_id in (
                select source_file_id
                from procedure
                where list_contains($scope_sites::varchar[], site)
            ))
    ) as arrived_at
from days
