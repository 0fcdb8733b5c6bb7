-- How far the own scales reach. Grain: one row. Parameters: min_n.
-- n_values counts dose values of the 12 months, n_too_few those whose kind has fewer than min_n.
select
    min(baseline_from) as baseline_from,
    max(baseline_to) as baseline_to,
    coalesce(sum(n), 0)::bigint as n_values,
    coalesce(sum(n) filter (where n < $min_n::integer), 0)::bigint as n_too_few,
    count(*) as n_scales,
    count(*) filter (where n < $min_n::integer) as n_scales_too_few
from dose_scale
