-- How fresh and how far the data is. Grain: one row.
-- Parameters: scope. Times of loads are UTC, data_to and data_from are days of the site.
select
    (select min(performed_on) from procedure
        where not is_test and status = 'completed'
            and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
    ) as data_from,
    (select max(performed_on) from procedure
        where not is_test and status = 'completed'
            and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
    ) as data_to,
    (select max(ended_at) at time zone 'UTC' from run where outcome in ('ok', 'rejected'))
        as loaded_at,
    (select max(arrived_at) at time zone 'UTC' from source_file where status <> 'refused')
        as arrived_at,
    (select arg_max(run_id, started_at) from run) as last_run,
    (select arg_max(outcome, started_at) from run) as last_outcome
