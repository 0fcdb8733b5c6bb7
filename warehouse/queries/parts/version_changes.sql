-- version_changes: what each later version of the chosen procedures changed, field by field.
-- Grain: procedure × change × field. Needs a table `chosen` with procedure_id.
versions as (
    select * exclude (superseded_by_run, superseded_at, why, row_hash, run_id, source_file_id,
        source_line, source_at), superseded_by_run as changed_by_run, superseded_at as changed_at,
        why
    from procedure_history
    where procedure_id in (select procedure_id from chosen)
    union all by name
    select * exclude (row_hash, run_id, source_file_id, source_line, source_at)
    from procedure
    where procedure_id in (select procedure_id from chosen)
),

texts as (
    select procedure_id, changed_by_run, changed_at, why,
        columns(* exclude (procedure_id, changed_by_run, changed_at, why))::varchar
    from versions
),

fields as (
    select procedure_id, changed_by_run, changed_at, why, field, old_text
    from texts
    unpivot include nulls (
        old_text for field in (columns(* exclude (procedure_id, changed_by_run, changed_at, why)))
    )
),

followed as (
    select *,
        lead(old_text) over later as new_text,
        changed_at is not null as has_later
    from fields
    window later as (partition by procedure_id, field order by changed_at nulls last)
),

version_changes as (
    select procedure_id, changed_at at time zone 'UTC' as changed_at, changed_by_run, why, field,
        case when field = 'patient_key' then 'one patient' else old_text end as old_text,
        case when field = 'patient_key' then 'another patient' else new_text end as new_text
    from followed
    where has_later and old_text is distinct from new_text
)
