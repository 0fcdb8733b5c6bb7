-- How far the own scales reach. Grain: one row. Parameters: min_n.
-- n_values counts dose values of the 12 months; n_all_sizes those whose size band has fewer than
-- min_n cases, so that all sizes judge them; n_too_few those whose procedure has fewer.
-- Roles: physician, rso; all sites.
select
    min(s.baseline_from) as baseline_from,
    max(s.baseline_to) as baseline_to,
    coalesce(sum(s.n), 0)::bigint as n_values,
    coalesce(sum(s.n) filter (where s.n < $min_n::integer and w.n >= $min_n::integer), 0)::bigint
        as n_all_sizes,
    coalesce(sum(s.n) filter (where w.n < $min_n::integer), 0)::bigint as n_too_few
from dose_scale s
join dose_scale w using (modality, procedure_key, dose_index)
where s.size_band <> 'all sizes' and w.size_band = 'all sizes'
