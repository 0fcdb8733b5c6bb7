-- Keep the rows that the contract refused. Table rejected_input. Parameters: $run_id, $source_file_id, $path.
insert into rejected_row by name
select *, $run_id as run_id, $source_file_id as source_file_id, $path as path from rejected_input;
