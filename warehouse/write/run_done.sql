-- Enter a run in the ledger.
insert into run (
    run_id, started_at, ended_at, outcome, files,
    read, inserted, updated, unchanged, duplicate, rejected, message
) values (
    $run_id, $started_at, now(), $outcome, $files,
    $read, $inserted, $updated, $unchanged, $duplicate, $rejected, $message
);
