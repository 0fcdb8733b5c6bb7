-- Which procedure each new report belongs to. Parameters: $parquet (what the reports say besides
-- dose), $base (highest procedure_id so far). Tables: report_input, event_input of this batch.
create or replace temp table new_report as
select *, row_number() over (order by staged_file, source_line, report_uid) as report_no
from report_input
anti join dose_report using (report_uid)
qualify row_number() over (partition by report_uid order by staged_file, source_line) = 1;

create or replace temp table report_part as
select
    n.report_no,
    n.report_uid,
    n.source_at,
    n.staged_file as source_file_id,
    p.* exclude (
        staged_file, row_no, key_device, key_start, key_modality, key_hash, updated_at
    ) replace (
        n.site as site,
        coalesce(p.accession_number, n.accession_number) as accession_number,
        coalesce(p.study_uid, n.study_uid) as study_uid,
        coalesce(p.modality, n.modality) as modality,
        coalesce(p.procedure_start_at, n.started_at) as procedure_start_at,
        coalesce(p.performed_on, n.performed_on) as performed_on,
        coalesce(p.device, n.device) as device,
        coalesce(p.status, 'completed') as status,
        coalesce(p.is_test, false) as is_test,
        coalesce(p.flags, []) as flags,
        n.source_line as source_line
    )
from new_report n
left join staged($parquet) p on p.staged_file = n.staged_file and p.source_line = n.source_line;

create or replace temp table report_key as
select
    report_no,
    site,
    study_uid,
    accession_number,
    performed_on,
    if(accession_number is null, device, null) as key_device,
    if(
        accession_number is null,
        coalesce(date_trunc('second', procedure_start_at), performed_on::timestamp),
        null
    ) as key_start,
    if(accession_number is null, modality, null) as key_modality,
    hash(site, accession_number, performed_on, key_device, key_start, key_modality) as natural_key
from report_part;

-- A procedure is known under its own number, and under those of the reports that it took in.
create or replace temp table report_known as
with same_number as (
    select k.report_no, p.procedure_id
    from report_key k
    join procedure p
        on p.site = k.site
        and p.accession_number = k.accession_number
        and p.performed_on = k.performed_on
)
select report_no, procedure_id, true as by_number from same_number
union
select k.report_no, p.procedure_id, false
from report_key k
join procedure p on p.study_uid = k.study_uid -- unique in the world, whatever the site is called
anti join same_number s on s.report_no = k.report_no and s.procedure_id = p.procedure_id
union
select k.report_no, q.procedure_id, false
from report_key k
join procedure_part q
    on q.part = 'report'
    and q.site = k.site
    and q.accession_number = k.accession_number
    and q.performed_on = k.performed_on
anti join same_number s on s.report_no = k.report_no
union
select k.report_no, p.procedure_id, false
from report_key k
join procedure p
    on p.accession_number is null
    and p.site = k.site
    and p.modality = k.key_modality
    and p.device is not distinct from k.key_device
    and coalesce(date_trunc('second', p.procedure_start_at), p.performed_on::timestamp) = k.key_start
where k.accession_number is null;

-- Without accession number and study UID, an export of a dose-management system and the report itself
-- name the device in different words: same site, start and doses are one.
insert into report_known
select k.report_no, r.procedure_id, false
from report_key k
anti join (select distinct report_no from report_known) f using (report_no)
join new_report n using (report_no)
join dose_report r
    on r.site = n.site
    and r.modality = n.modality
    and date_trunc('second', r.started_at) = date_trunc('second', n.started_at)
    and r.accession_number is null
    and (r.report_uid like 'kerma.%') <> (n.report_uid like 'kerma.%')
    and same_totals(r, n)
where k.accession_number is null
group by all;

-- A report names an institution where the log names a site: one log row that fits is the procedure.
insert into report_known
select k.report_no, min(p.procedure_id), false
from report_key k
anti join (select distinct report_no from report_known) f using (report_no)
join report_part r using (report_no)
join procedure p on p.accession_number = k.accession_number and p.performed_on = k.performed_on
anti join (
    select procedure_id from procedure_part group by procedure_id having bool_and(part = 'report')
) only_reported on only_reported.procedure_id = p.procedure_id
where same_case(p.modality, p.second_modality, p.patient_key, r.modality, r.patient_key)
group by k.report_no
having count(*) = 1;

-- Reports that share a key or a study are one procedure; a chain of both needs a few rounds.
create or replace temp table report_group as
with linked as (
    select report_no, natural_key, site, study_uid,
        min(report_no) over (partition by natural_key) as g0
    from report_key
),
by_study as (
    select *, if(study_uid is null, g0, min(g0) over (partition by study_uid)) as g1 from linked
),
by_key as (
    select *, min(g1) over (partition by natural_key) as g2 from by_study
),
by_study_again as (
    select *, if(study_uid is null, g2, min(g2) over (partition by study_uid)) as g3 from by_key
)
select report_no, min(g3) over (partition by natural_key) as group_no from by_study_again;

-- A group can meet several known procedures: one with a log row leads, then one of the same accession
-- number, then the oldest.
create or replace temp table group_known as
select
    g.group_no,
    k.procedure_id,
    coalesce(not part.has_log, false) as report_only,
    row_number() over (
        partition by g.group_no
        order by coalesce(not part.has_log, false), k.by_number desc, k.procedure_id
    ) as place
from (
    select group_no, procedure_id, bool_or(by_number) as by_number
    from report_group
    join report_known using (report_no)
    group by all
) k
join (select distinct group_no from report_group) g using (group_no)
left join (
    select procedure_id, bool_or(part = 'log') as has_log from procedure_part group by procedure_id
) part using (procedure_id);

create or replace temp table report_target as
select
    g.report_no,
    coalesce(k.procedure_id, $base + g.group_no) as procedure_id,
    k.procedure_id is null
        and row_number() over (partition by g.group_no order by g.report_no) = 1 as is_first
from report_group g
left join (from group_known where place = 1) k using (group_no);

create or replace temp table absorbed as
select other.procedure_id, lead.procedure_id as into_id
from group_known other
join group_known lead on lead.group_no = other.group_no and lead.place = 1
where other.place > 1 and other.report_only;
