-- Merge one file of follow-ups by key: site, accession number, day of the procedure, measure, moment.
-- Table follow_up_input. Parameters: $source_at, $run_id, $source_file_id, $path.
create or replace temp table follow_up_new as
select
    *,
    coalesce(timepoint, measured_on::varchar, '') as moment,
    coalesce(updated_at, $source_at::timestamptz) as row_time,
    hash(scale, score, terms, measured_on, withdrawn, entered_by) as row_hash,
from follow_up_input;

create or replace temp table follow_up_verdict as
with keyed as (
    select
        *,
        dense_rank() over (order by site, accession_number, performed_on, measure, moment) as key_no,
        max(row_time) over (
            partition by site, accession_number, performed_on, measure, moment
        ) as latest
    from follow_up_new
),
ordered as (
    select
        key_no, source_line, site, accession_number, performed_on, measure, moment, row_hash, row_time,
        row_number() over (partition by key_no order by row_time desc, source_line) as place,
        row_number() over (
            partition by key_no, row_hash order by row_time desc, source_line
        ) as copy,
        c.key_no is not null as contradicts
    from keyed
    left join (
        select key_no from keyed where row_time = latest
        group by key_no having count(distinct row_hash) > 1
    ) c using (key_no)
)
select
    o.*,
    s.source_file_id as standing_file,
    s.source_line as standing_line,
    s.source_at as standing_at,
    case
        when contradicts then 'contradiction'
        when place > 1 and copy > 1 then 'duplicate'
        when place > 1 then 'older'
        when s.row_hash is null then 'insert'
        when s.row_hash = o.row_hash then 'unchanged'
        when o.row_time < s.source_at then 'older'
        else 'updated'
    end as verdict
from ordered o
left join follow_up s
    on s.site = o.site
    and s.accession_number = o.accession_number
    and s.performed_on is not distinct from o.performed_on
    and s.measure = o.measure
    and coalesce(s.timepoint, s.measured_on::varchar, '') = o.moment;

-- Procedures that the old words were placed on are computed anew without them.
insert into recombine
select s.procedure_id
from follow_up s
join follow_up_verdict v on v.standing_file = s.source_file_id and v.standing_line = s.source_line
where v.verdict = 'updated' and s.procedure_id is not null;

insert into follow_up_history by name
select
    s.*,
    $run_id as superseded_by_run,
    now() as superseded_at,
    if(n.withdrawn, 'withdrawn', 'corrected') as why
from follow_up s
join follow_up_verdict v on v.standing_file = s.source_file_id and v.standing_line = s.source_line
join follow_up_new n on n.source_line = v.source_line
where v.verdict = 'updated';

delete from follow_up
using follow_up_verdict v
where v.verdict = 'updated' and v.standing_file = follow_up.source_file_id
    and v.standing_line = follow_up.source_line;

insert into follow_up_history by name
select
    n.* exclude (moment, row_time, updated_at),
    'waiting' as state,
    n.row_time as source_at,
    $source_file_id as source_file_id,
    $run_id as run_id,
    $run_id as superseded_by_run,
    now() as superseded_at,
    'older' as why
from follow_up_new n
join follow_up_verdict v using (source_line)
where v.verdict = 'older';

-- A word that is sent again is as new as its newest sending.
update follow_up
set source_at = v.row_time
from follow_up_verdict v
where v.verdict = 'unchanged' and v.row_time > v.standing_at
    and v.standing_file = follow_up.source_file_id and v.standing_line = follow_up.source_line;

insert into follow_up by name
select
    n.* exclude (moment, row_time, updated_at),
    'waiting' as state,
    n.row_time as source_at,
    $source_file_id as source_file_id,
    $run_id as run_id
from follow_up_new n
join follow_up_verdict v using (source_line)
where v.verdict in ('insert', 'updated');

insert into rejected_row by name
with lines as (
    select key_no, list(source_line order by source_line) as lines
    from follow_up_verdict
    where verdict = 'contradiction'
    group by key_no
)
select
    $run_id as run_id,
    $source_file_id as source_file_id,
    $path as path,
    v.source_line as line,
    json_merge_patch('{}', to_json(struct_pack(*columns(n.* exclude (
        moment, row_time, row_hash, updated_at, source_line, withdrawn
    )))))::varchar as raw_text,
    [
        'value: lines ' || array_to_string(l.lines, ', ')
        || ' say different things of the same case, scale and moment: '
        || coalesce(n.score::varchar, n.terms)
        || ': keep the right one, or say in updated_at which is newer'
    ] as reasons,
    [n.measure || coalesce('_' || n.timepoint, '') || '.contradiction'] as rules,
    n.site,
    n.accession_number
from follow_up_verdict v
join follow_up_new n using (source_line)
join lines l using (key_no)
where v.verdict = 'contradiction';

create or replace temp table follow_up_key as
select distinct site, accession_number from follow_up_new;
