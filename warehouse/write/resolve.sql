-- Close old rejections: the row has loaded, or the same row was refused again (the newer entry stands).
-- Parameters: $run_id. Only what arrived after a rejection can resolve it.
update rejected_row r
set resolved_by_run = $run_id
from (
    select p.site, p.accession_number, max(p.source_file_id) as source_file_id
    from procedure p
    semi join rejected_row r on r.site = p.site and r.accession_number = p.accession_number
    where p.run_id = $run_id
    group by p.site, p.accession_number
) p
where r.resolved_by_run is null
    and r.source_file_id not in (select source_file_id from source_file where kind = 'followup')
    and r.site = p.site
    and r.accession_number = p.accession_number
    and r.source_file_id < p.source_file_id;

update rejected_row r
set resolved_by_run = $run_id
from (
    select f.path, f.source_file_id, p.source_line
    from source_file f
    join procedure p using (source_file_id)
    where f.run_id = $run_id
) p
where r.resolved_by_run is null
    and r.accession_number is null
    and r.path = p.path
    and r.line = p.source_line
    and r.source_file_id < p.source_file_id;

update rejected_row r
set resolved_by_run = $run_id
from source_file f
where r.resolved_by_run is null
    and r.line is null
    and f.run_id = $run_id
    and f.status <> 'refused'
    and f.path = r.path
    and f.source_file_id > r.source_file_id;

update rejected_row r
set resolved_by_run = $run_id
from rejected_row again
where r.resolved_by_run is null
    and again.run_id = $run_id
    and again.source_file_id > r.source_file_id
    and again.raw_text = r.raw_text
    and (again.line is null) = (r.line is null)
    and (r.line is not null or again.path = r.path)  -- refused files have no text to know them by
    and again.site is not distinct from r.site
    and again.accession_number is not distinct from r.accession_number;

-- A follow-up is known by the column that its rules name (pain_1mo.max); where they name none, as without a
-- scale or a time point, by the mark of the export alone: another word on the case does not correct it.
update rejected_row r
set resolved_by_run = $run_id
from follow_up f
where r.resolved_by_run is null
    and f.run_id = $run_id
    and r.source_file_id in (select source_file_id from source_file where kind = 'followup')
    and f.source_file_id > r.source_file_id
    and f.site = r.site
    and f.accession_number = r.accession_number
    and list_contains(
        list_transform(r.rules, lambda rule: split_part(rule, '.', 1)),
        f.measure || coalesce('_' || coalesce(f.timepoint, f.placed_timepoint), '')
    );
