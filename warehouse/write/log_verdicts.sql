-- What becomes of each row that is not simply new. Parameters: $parquet, $source_at,
-- $base (highest procedure_id before this file).
-- duplicate: same key and values in this file; contradiction: same key and time, other values;
-- unchanged, updated, older (than what stands), joined (first log row of a reported procedure).
create or replace temp table suspect as
with rows as (
    from incoming($parquet)
    semi join (select row_no from crowded union select row_no from known) using (row_no)
)
select
    *,
    coalesce(updated_at, $source_at::timestamptz) as row_time,
    dense_rank() over (
        order by
            known_id,
            if(known_id is null, site, null),
            if(known_id is null, accession_number, null),
            if(known_id is null, performed_on, null),
            if(known_id is null, key_device, null),
            if(known_id is null, key_start, null),
            if(known_id is null, key_modality, null)
    ) as key_no
from rows
left join (
    select row_no, min(procedure_id) as known_id from known where same_day group by row_no
) using (row_no);

create or replace temp table ranked as
with newest as (
    select
        key_no,
        max(row_time) as row_time,
        count(distinct row_hash) filter (row_time = latest) > 1 as contradicts
    from (select *, max(row_time) over (partition by key_no) as latest from suspect)
    group by key_no
),
ordered as (
    select
        s.row_no, s.key_no, s.row_hash, s.row_time, n.contradicts,
        row_number() over (partition by s.key_no order by s.row_time desc, s.source_line, s.row_no) as place,
        row_number() over (
            partition by s.key_no, s.row_hash order by s.row_time desc, s.source_line, s.row_no
        ) as copy
    from suspect s join newest n using (key_no)
)
select
    *,
    case
        when contradicts then 'contradiction'
        when place = 1 then 'stands'
        when copy > 1 then 'duplicate'
        else 'older'
    end as in_file
from ordered;

create or replace temp table aside as
with standing as (
    select
        k.row_no,
        k.known_id as procedure_id,
        part.procedure_id is not null as has_parts,
        if(part.procedure_id is null, p.row_hash, part.row_hash) as row_hash,
        if(part.procedure_id is null, p.source_at, part.source_at) as source_at
    from (select row_no, known_id from suspect where known_id is not null) k
    join procedure p on p.procedure_id = k.known_id
    left join (
        select
            procedure_id,
            any_value(row_hash) filter (part = 'log') as row_hash,
            any_value(source_at) filter (part = 'log') as source_at
        from procedure_part
        group by procedure_id
    ) part on part.procedure_id = k.known_id
)
select
    r.row_no,
    r.key_no,
    r.row_time,
    coalesce(s.procedure_id, max(if(r.in_file = 'stands', $base + r.row_no + 1, null)) over (partition by r.key_no))
        as procedure_id,
    coalesce(s.has_parts, false) as has_parts,
    s.source_at as standing_at,
    case
        when r.in_file <> 'stands' then r.in_file
        when s.procedure_id is null then 'insert'
        when s.row_hash is null then 'joined'
        when s.row_hash = r.row_hash then 'unchanged'
        when r.row_time < s.source_at then 'older'
        else 'updated'
    end as verdict
from ranked r left join standing s using (row_no);
