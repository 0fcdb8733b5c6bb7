-- Close the rejections whose rows came back corrected: loaded, or refused again in an entry of their own.
-- Table corrected_input (sha256 of the file, cut; line). Parameters: $run_id.
update rejected_row r
set resolved_by_run = $run_id
from (
    select f.source_file_id, c.line
    from corrected_input c
    join source_file f on starts_with(f.sha256, c.sha256)
) c
where r.resolved_by_run is null and r.source_file_id = c.source_file_id and r.line = c.line;
