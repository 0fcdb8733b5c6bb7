-- Carry out the verdicts of one staged log. Parameters: $parquet, $source_at, $base, $run_id,
-- $source_file_id. Tables: aside, suspect, known of this file; touched, recombine, reused of this run.
create or replace temp table superseded as
from procedure
semi join (from aside where verdict = 'updated' and not has_parts) using (procedure_id);

create temp table if not exists replaced as from procedure limit 0;
insert into replaced from superseded anti join replaced using (procedure_id);

insert into procedure_history by name
select
    p.*,
    $run_id as superseded_by_run,
    now() as superseded_at,
    if(s.status = 'deleted', 'withdrawn', 'corrected') as why
from superseded p
join aside a on a.procedure_id = p.procedure_id and a.verdict = 'updated'
join suspect s using (row_no);

insert into procedure_history by name
select
    p.* exclude (part, report_uid),
    $run_id as superseded_by_run,
    now() as superseded_at,
    if(s.status = 'deleted', 'withdrawn', 'corrected') as why
from procedure_part p
join aside a on a.procedure_id = p.procedure_id and a.verdict = 'updated' and a.has_parts
join suspect s using (row_no)
where p.part = 'log';

insert into procedure_history by name
select
    r.* exclude (row_no),
    a.procedure_id,
    $source_file_id as source_file_id,
    $run_id as run_id,
    $run_id as superseded_by_run,
    now() as superseded_at,
    'older' as why
from procedure_rows($parquet, $source_at) r
join aside a on a.row_no = r.row_no and a.verdict = 'older'
anti join procedure_history h on h.procedure_id = a.procedure_id and h.row_hash = r.row_hash;

delete from procedure
where procedure_id in (
    select procedure_id from aside where verdict = 'updated' and not has_parts
);

insert into procedure by name
select r.* exclude (row_no), a.procedure_id, $source_file_id as source_file_id, $run_id as run_id
from procedure_rows($parquet, $source_at) r
join aside a on a.row_no = r.row_no and a.verdict = 'updated' and not a.has_parts;

delete from procedure_part
where part = 'log' and procedure_id in (select procedure_id from aside where verdict = 'updated');

insert into procedure_part by name
select
    r.* exclude (row_no),
    a.procedure_id,
    $source_file_id as source_file_id,
    $run_id as run_id,
    'log' as part
from procedure_rows($parquet, $source_at) r
join aside a on a.row_no = r.row_no and a.has_parts and a.verdict in ('updated', 'joined');

-- A value that is sent again is as new as its newest sending: a version from in between is older.
update procedure p
set source_at = a.row_time
from aside a
where a.procedure_id = p.procedure_id and a.verdict = 'unchanged' and a.row_time > a.standing_at
    and not a.has_parts;

update procedure_part p
set source_at = a.row_time
from aside a
where a.procedure_id = p.procedure_id and a.verdict = 'unchanged' and a.row_time > a.standing_at
    and a.has_parts and p.part = 'log';

insert into touched select procedure_id from aside where verdict in ('updated', 'joined');

insert into recombine
select procedure_id from aside where has_parts and verdict in ('updated', 'joined', 'unchanged');

insert into reused
select site, accession_number from known where not same_day
union
select site, accession_number
from suspect
where accession_number is not null
group by all
having count(distinct performed_on) > 1;
