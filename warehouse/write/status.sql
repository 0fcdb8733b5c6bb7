-- What a snapshot holds. Grain: one row.
select
    (select count(*) from procedure where status <> 'deleted') as procedures,
    (select max(performed_on) from procedure where status <> 'deleted') as newest_procedure,
    (select max(ended_at)::varchar from run) as refreshed_at,
    (select outcome from run order by started_at desc limit 1) as outcome,
    (select count(*) from source_file) as files,
    (select count(*) from rejected_row where resolved_by_run is null) as rejected_open,
    (select count(*) from unmapped_name) as unmapped_names,
    (select count(*) from follow_up where state = 'waiting') as follow_ups_waiting,
    (
        select count(*) from follow_up where state in ('ambiguous', 'outside', 'scale', 'beside')
    ) as follow_ups_not_counted;
