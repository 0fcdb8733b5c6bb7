-- Rejected rows. Grain: one row per rejected row. Parameters: $run (null: all), $everything.
select
    r.run_id, r.path, f.sha256, r.line, r.reasons, r.rules, r.site, r.accession_number, r.raw_text,
    r.resolved_by_run
from rejected_row r
join source_file f using (source_file_id)
where ($run::varchar is null or r.run_id = $run) and ($everything or r.resolved_by_run is null)
order by r.run_id, r.path, r.line;
