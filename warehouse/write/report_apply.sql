-- Store the new reports of a batch with their parts and events. Parameters: $run_id.
insert into procedure_part by name
select p.*, 'log' as part
from procedure p
semi join report_target t using (procedure_id)
anti join procedure_part q using (procedure_id);

update procedure_part p set procedure_id = a.into_id from absorbed a where a.procedure_id = p.procedure_id;
update dose_report r set procedure_id = a.into_id from absorbed a where a.procedure_id = r.procedure_id;
update irradiation_event e set procedure_id = a.into_id from absorbed a where a.procedure_id = e.procedure_id;
update raw_value v set procedure_id = a.into_id from absorbed a where a.procedure_id = v.procedure_id;
update procedure_history h set procedure_id = a.into_id from absorbed a where a.procedure_id = h.procedure_id;
delete from procedure where procedure_id in (select procedure_id from absorbed);
insert into touched select procedure_id from absorbed;

insert into procedure_part by name
select
    r.* exclude (report_no),
    t.procedure_id,
    'report' as part,
    hash(r) as row_hash,
    $run_id as run_id
from report_part r
join report_target t using (report_no);

insert into dose_report by name
select r.* exclude (report_no, staged_file, source_line), r.staged_file as source_file_id, t.procedure_id,
    $run_id as run_id
from new_report r
join report_target t using (report_no);

create or replace temp table new_event as
select e.* exclude (staged_file), t.procedure_id, $run_id as run_id
from event_input e
join new_report r on r.report_uid = e.report_uid and r.staged_file = e.staged_file
join report_target t using (report_no)
qualify row_number() over (partition by e.event_uid order by e.report_uid) = 1;

-- An event that several reports repeat is kept once, under the report with the lowest UID.
delete from irradiation_event
where exists (
    select 1 from new_event n
    where n.event_uid = irradiation_event.event_uid and n.report_uid < irradiation_event.report_uid
);

insert into irradiation_event by name
from new_event anti join irradiation_event using (event_uid);

insert into reused
select k.site, k.accession_number
from report_key k
join report_target t using (report_no)
join procedure p
    on p.site = k.site
    and p.accession_number = k.accession_number
    and p.procedure_id <> t.procedure_id
union
select k.site, k.accession_number
from report_key k
join report_target t using (report_no)
where k.accession_number is not null
group by all
having count(distinct t.procedure_id) > 1;

insert into recombine select distinct procedure_id from report_target;
insert into recombine select distinct into_id from absorbed;
insert into touched select distinct procedure_id from report_target;
