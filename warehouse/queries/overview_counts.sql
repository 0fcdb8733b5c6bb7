-- Volume, complications and satisfaction. Grain: one row per month, modality and period (current or
-- the one before).
-- Parameters: filters (from_date is the first day of the previous period), scope,
-- current_from: the first day of the current period.
-- A blank is not "none": shares are of the procedures whose outcome was recorded.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    date_trunc('month', performed_on)::date as month,
    modality,
    $current_from::date is null or performed_on >= $current_from::date as is_current,
    count(*) as n,
    count(complications) as n_complication_known,
    count(*) filter (where complications <> 'none') as n_complication,
    count(satisfaction) as n_satisfaction,
    count(*) filter (where satisfaction >= 4) as n_satisfied
from filtered
group by all
order by month, modality, is_current
