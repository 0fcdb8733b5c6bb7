-- Rejected rows. Grain: one row per rejected row. Parameters: $run (null: all), $everything.
select run_id, path, line, reasons, rules, site, accession_number, raw_text, resolved_by_run
from rejected_row
where ($run::varchar is null or run_id = $run) and ($everything or resolved_by_run is null)
order by run_id, path, line;
