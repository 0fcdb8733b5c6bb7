-- Which source the values of one procedure come from: the log's word first, gaps filled by its dose
-- reports in order of time. Grain: field; none for a procedure that one source alone tells of.
-- Parameters: scope, procedure_id.
-- Roles: physician, rso.
with told as (
    select
        columns(* exclude (
            procedure_id, patient_key, flags, is_test, run_id, row_hash, source_at, source_file_id,
            source_line, part, report_uid
        ))::varchar,
        (part <> 'log', procedure_start_at, report_uid) as rank_,
        part as part_,
        source_line as line_,
        (select f.path from source_file f where f.source_file_id = t.source_file_id) as path_
    from procedure_part t
    where procedure_id = $procedure_id::bigint
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($scope_operators::varchar[] is null or exists (
            from procedure p
            where p.procedure_id = t.procedure_id
                and list_contains($scope_operators::varchar[], p.operator)
        ))
)

select
    field,
    arg_min(part_, rank_) as part,
    arg_min(path_, rank_) as source_path,
    arg_min(line_, rank_) as source_line
from (unpivot told on columns(* exclude (rank_, part_, line_, path_)) into name field value told)
group by field
order by field
