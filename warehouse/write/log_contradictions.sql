-- Rows of one file with one key and different values: all are refused, each naming the others.
-- Parameters: $parquet, $run_id, $source_file_id, $path.
insert into rejected_row by name
with lines as (
    select a.key_no, list(s.source_line order by s.source_line) as lines
    from aside a join suspect s using (row_no)
    where a.verdict = 'contradiction'
    group by a.key_no
),
as_read as (
    select
        row_no,
        json_merge_patch(
            '{}',
            to_json(struct_pack(*columns(
                * exclude (
                    row_no, key_device, key_start, key_modality, key_hash, row_hash, known_id, row_time,
                    key_no, updated_at, staged_file, source_line, flags, is_test
                )
            )))
        )::varchar as raw_text
    from suspect
)
select
    $run_id as run_id,
    $source_file_id as source_file_id,
    $path as path,
    s.source_line as line,
    r.raw_text,
    [
        'accession_number: lines ' || array_to_string(l.lines, ', ')
        || ' name the same procedure with different values: ' || coalesce(s.accession_number, 'none')
        || ': keep the right one, or say in updated_at which is newer'
    ] as reasons,
    ['contradiction'] as rules,
    s.site as site,
    s.accession_number as accession_number
from suspect s
join aside a using (row_no)
join lines l on l.key_no = a.key_no
join as_read r on r.row_no = s.row_no
where a.verdict = 'contradiction';
