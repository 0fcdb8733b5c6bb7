-- The follow-ups that are due or overdue: whose window is open and whose score is missing.
-- Grain: one row per case and time point, the soonest to close first; at most $most. n_all counts all.
-- Parameters: filters, scope, outcome_scale (pain | odi | ndi), timepoints, days_later (from the
-- last day with data to the day that is asked about), most.
-- Roles: physician, rso.
with
-- include: filtered
,

-- include: outcome_points
,

opened as (
    select
        p.procedure_id,
        w.timepoint,
        w.nominal_day,
        w.last_day,
        p.days_since + $days_later::integer as days
    from points as p
    inner join follow_up_window as w
        on p.days_since + $days_later::integer between w.first_day and w.last_day and w.place >= 2
    where p.s0 is not null
        and [p.s2, p.s3, p.s4, p.s5, p.s6, p.s7][w.place - 1] is null
        and list_contains($timepoints::varchar[], w.timepoint)
)

select
    o.procedure_id,
    c.site,
    c.accession_number,
    c.performed_on,
    coalesce(c.procedure_code, 'unmapped') as "procedure",
    c.operator,
    o.timepoint,
    case when o.days > o.nominal_day then 'overdue' else 'due' end as state,
    c.performed_on + o.nominal_day as due_on,
    c.performed_on + o.last_day as closes_on,
    count(*) over () as n_all
from opened as o
inner join procedure as c on c.procedure_id = o.procedure_id
where $scope_operators::varchar[] is null or list_contains($scope_operators::varchar[], c.operator)
order by closes_on, o.procedure_id
limit $most::bigint
