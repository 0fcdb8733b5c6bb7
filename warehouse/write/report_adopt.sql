-- Procedures that only reports told of, filed under an institution's name or another accession number, of
-- which a log has now told under its own: the log's row takes them in. Parameters: $source_file_id (of the log).
create or replace temp table absorbed as
with reported as (
    select p.*
    from procedure p
    semi join (
        select procedure_id from procedure_part group by procedure_id having bool_and(part = 'report')
    ) using (procedure_id)
),
told as (
    select *
    from procedure
    anti join procedure_part using (procedure_id)
    where source_file_id = $source_file_id
),
pair as (
    select r.procedure_id, t.procedure_id as into_id
    from reported r join told t on t.study_uid = r.study_uid
    union
    select r.procedure_id, t.procedure_id as into_id
    from reported r
    join told t on t.accession_number = r.accession_number and t.performed_on = r.performed_on
    where r.site <> t.site
        and same_case(t.modality, t.second_modality, t.patient_key, r.modality, r.patient_key)
)
select * from pair qualify count(*) over (partition by procedure_id) = 1;

insert into procedure_part by name
select p.*, 'log' as part from procedure p
where procedure_id in (select into_id from absorbed);

update procedure_part p set procedure_id = a.into_id from absorbed a where a.procedure_id = p.procedure_id;
update dose_report r set procedure_id = a.into_id from absorbed a where a.procedure_id = r.procedure_id;
update irradiation_event e set procedure_id = a.into_id from absorbed a where a.procedure_id = e.procedure_id;
update raw_value v set procedure_id = a.into_id from absorbed a where a.procedure_id = v.procedure_id;
update procedure_history h set procedure_id = a.into_id from absorbed a where a.procedure_id = h.procedure_id;
delete from procedure where procedure_id in (select procedure_id from absorbed);
insert into touched select procedure_id from absorbed;
insert into touched select distinct into_id from absorbed;
insert into recombine select distinct into_id from absorbed;
