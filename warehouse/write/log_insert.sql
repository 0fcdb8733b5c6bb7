-- The rows of a staged log that are simply new. Parameters: $parquet, $source_at, $base, $run_id,
-- $source_file_id. Table aside: rows that are something else, none when the warehouse is empty.
insert into procedure by name
select
    r.* exclude (row_no),
    $base + r.row_no + 1 as procedure_id,
    $source_file_id as source_file_id,
    $run_id as run_id
from procedure_rows($parquet, $source_at) r
anti join (from aside where verdict <> 'insert') a using (row_no);
