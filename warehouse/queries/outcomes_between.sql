-- How many documented cases lie between events, in the order in which cases were done.
-- Grain: one row per case with a complication, the last $most of them, oldest first.
-- Parameters: filters, scope, term (null: any complication), most (events).
-- The count before the first event is not known to begin at an event: it is left out.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

documented as (
    select
        performed_on,
        procedure_id,
        complications <> 'none'
        and (
            $term::varchar is null
            or list_contains(
                list_transform(string_split(complications, '|'), lambda t: split_part(t, ':', 1)),
                $term::varchar
            )
        ) as event,
        row_number() over (order by performed_on, procedure_start_at, procedure_id) as place
    from filtered
    where complications is not null
),

events as (
    select
        performed_on,
        procedure_id,
        place - lag(place) over (order by place) - 1 as cases_between
    from documented
    where event
)

select performed_on as event_on, cases_between
from events
where cases_between is not null
qualify row_number() over (order by performed_on desc, procedure_id desc) <= $most::bigint
order by performed_on, procedure_id
