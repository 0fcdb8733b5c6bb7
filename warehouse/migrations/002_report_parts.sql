-- A procedure with dose reports is computed from its parts, so that any order of arrival gives the same row.
alter table meta add column key_fingerprint varchar;
alter table dose_report add column procedure_id bigint;
create table procedure_part as
    select *, ''::varchar as part, ''::varchar as report_uid from procedure limit 0;
