-- The scores of one scale at each timepoint, with the baseline of the same patients, counted.
-- Grain: one row per modality, timepoint, due, baseline and value (null: no score), in per cent of
-- the scale's range; n procedures.
-- Parameters: filters, scope, outcome_scale (pain | odi | ndi).
-- A value of a follow-up that is not yet due is a value all the same: it counts as due.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: outcome_points

select modality, 'baseline' as timepoint, true as due, s0 as baseline, s0 as "value", count(*) as n
from points
group by all
union all
select modality, '15min', true, s0, s1, count(*) from points group by all
union all
select modality, '1wk', days_since >= 7 or s2 is not null, s0, s2, count(*) from points group by all
union all
select modality, '2wk', days_since >= 14 or s3 is not null, s0, s3, count(*) from points group by all
union all
select modality, '1mo', days_since >= 30 or s4 is not null, s0, s4, count(*) from points group by all
union all
select modality, '2mo', days_since >= 61 or s5 is not null, s0, s5, count(*) from points group by all
union all
select modality, '3mo', days_since >= 91 or s6 is not null, s0, s6, count(*) from points group by all
union all
select modality, '6mo', days_since >= 183 or s7 is not null, s0, s7, count(*) from points group by all
