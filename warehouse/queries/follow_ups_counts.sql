-- How many follow-ups are there, due, overdue and missed, of the cases with a baseline.
-- Grain: one row per time point after 15 minutes; n cases in each state.
-- Parameters: filters, scope, outcome_scale (pain | odi | ndi), days_later (from the last day with
-- data to the day that is asked about).
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: outcome_points
,

counted as (
    select
        days_since + $days_later::integer as days,
        [s2 is not null, s3 is not null, s4 is not null, s5 is not null, s6 is not null,
            s7 is not null] as present,
        count(*) as n
    from points
    where s0 is not null
    group by all
)

select
    w.timepoint,
    coalesce(sum(c.n) filter (present[w.place - 1]), 0)::bigint as n_scored,
    coalesce(sum(c.n) filter (not present[w.place - 1] and days between first_day and nominal_day), 0)::bigint as n_due,
    coalesce(sum(c.n) filter (
        not present[w.place - 1] and days > nominal_day and days <= last_day
    ), 0)::bigint as n_overdue,
    coalesce(sum(c.n) filter (not present[w.place - 1] and days > last_day), 0)::bigint as n_missed,
    coalesce(sum(c.n) filter (not present[w.place - 1] and days < first_day), 0)::bigint as n_later
from follow_up_window as w
cross join counted as c
where w.place >= 2
group by w.timepoint, w.place
order by w.place
