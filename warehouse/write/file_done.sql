-- Enter a file in the ledger.
insert into source_file (
    source_file_id, run_id, sha256, path, bytes, source_at, arrived_at, profile, kind, status,
    read, inserted, updated, unchanged, duplicate, rejected, message
) values (
    $source_file_id, $run_id, $sha256, $path, $bytes, $source_at, $arrived_at, $profile, $kind, $status,
    $read, $inserted, $updated, $unchanged, $duplicate, $rejected, $message
);
