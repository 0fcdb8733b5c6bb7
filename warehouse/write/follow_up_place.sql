-- Find the procedure and the time point of each follow-up of the cases in follow_up_key, from what is known now:
-- so the order of arrival does not matter.
create or replace temp table follow_up_place as
with word as (
    select f.*
    from follow_up f
    semi join follow_up_key k on k.site = f.site and k.accession_number = f.accession_number
),
-- The scales that the log itself names, not those of follow-ups that were merged before.
said as (
    select
        p.site, p.accession_number, p.procedure_id, p.performed_on,
        if(q.procedure_id is null, p.pain_scale, q.pain_scale) as pain_scale,
        if(q.procedure_id is null, p.complication_scale, q.complication_scale) as complication_scale
    from procedure p
    semi join follow_up_key k on k.site = p.site and k.accession_number = p.accession_number
    left join (
        select
            procedure_id,
            any_value(pain_scale) filter (part = 'log') as pain_scale,
            any_value(complication_scale) filter (part = 'log') as complication_scale
        from procedure_part
        group by procedure_id
    ) q using (procedure_id)
    where p.status <> 'deleted'
),
matched as (
    select
        w.source_file_id,
        w.source_line,
        count(s.procedure_id) as n,
        any_value(s.procedure_id) as found_id,
        any_value(s.performed_on) as day,
        any_value(s.pain_scale) as pain_scale,
        any_value(s.complication_scale) as complication_scale
    from word w
    left join said s
        on s.site = w.site
        and s.accession_number = w.accession_number
        and (w.performed_on is null or s.performed_on = w.performed_on)
    group by w.source_file_id, w.source_line
),
alone as (
    select
        w.* exclude (state, procedure_id, placed_timepoint, placed_score, placed_scale),
        m.n,
        if(m.n = 1, m.found_id, null) as found_id,
        if(m.n = 1, w.measured_on - m.day, null) as days,
        m.pain_scale,
        m.complication_scale
    from word w
    join matched m using (source_file_id, source_line)
),
timed as (
    select
        m.*,
        coalesce(m.timepoint, t.timepoint) as at_timepoint,
        abs(m.days - t.nominal_day) as off_by,
        case m.measure
            when 'pain' then coalesce(
                m.pain_scale,
                min(m.scale) filter (m.measure = 'pain' and m.scale like '% %' and not m.withdrawn)
                    over (partition by m.found_id)
            )
            else m.scale
        end as base_scale
    from alone m
    left join follow_up_window t
        on m.timepoint is null
        and m.measure in ('pain', 'odi', 'ndi')
        and m.days between t.first_day and t.last_day
),
scaled as (
    select
        *,
        score * case
            when measure <> 'pain' then 1
            when base_scale = 'VAS 0-100' and scale = 'VAS 0-10' then 10
            when base_scale = 'VAS 0-10' and scale = 'VAS 0-100' then 0.1
            else 1
        end as at_score,
        case
            when withdrawn then 'withdrawn'
            when n = 0 then 'waiting'
            when n > 1 then 'ambiguous'
            when at_timepoint is null and measure in ('pain', 'odi', 'ndi') then 'outside'
            when measure = 'pain' and (
                base_scale is null
                or scale[1:3] <> base_scale[1:3]
                or at_score > if(base_scale = 'VAS 0-100', 100, 10)
            ) then 'scale'
            when measure = 'complications' and coalesce(timepoint, measured_on::varchar) is not null
                and contains(terms, ':') and scale <> complication_scale then 'scale'
            else 'placed'
        end as could
    from timed
),
-- Of several words on one time point a named one stands before a dated one, then the nearest, then the newest.
ranked as (
    select
        *,
        row_number() over (
            partition by found_id, measure, at_timepoint,
                if(measure = 'complications', measured_on, null)
            order by timepoint is null, off_by, source_at desc, source_file_id desc, source_line desc
        ) as place
    from scaled
    where could = 'placed'
)
select
    s.source_file_id, s.source_line, s.found_id, s.at_timepoint, s.at_score, s.base_scale,
    if(r.place > 1, 'beside', s.could) as found
from scaled s
left join ranked r using (source_file_id, source_line);

create or replace temp table follow_up_moved as
select p.*, f.procedure_id as former_id
from follow_up_place p
join follow_up f using (source_file_id, source_line)
where f.state <> p.found
    or f.procedure_id is distinct from p.found_id
    or f.placed_timepoint is distinct from p.at_timepoint
    or f.placed_score is distinct from p.at_score
    or f.placed_scale is distinct from p.base_scale;

update follow_up
set
    procedure_id = m.found_id,
    state = m.found,
    placed_timepoint = m.at_timepoint,
    placed_score = m.at_score,
    placed_scale = m.base_scale
from follow_up_moved m
where m.source_file_id = follow_up.source_file_id and m.source_line = follow_up.source_line;

insert into recombine
select former_id from follow_up_moved where former_id is not null
union
select found_id from follow_up_moved where found_id is not null;

-- What the log says is kept beside what the follow-ups add.
insert into procedure_part by name
select p.*, 'log' as part
from procedure p
semi join recombine using (procedure_id)
anti join procedure_part q using (procedure_id);

delete from recombine where procedure_id not in (select procedure_id from procedure);
