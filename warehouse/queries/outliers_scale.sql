-- How far the own scales reach. Grain: one row. Parameters: scope, min_n.
-- n_values counts dose values of the 12 months; n_all_sizes those whose size band has fewer than
-- min_n cases, so that all sizes judge them; n_too_few those whose procedure has fewer.
-- A reader of some sites is told of these alone: they are counted from procedure, as
-- marts/dose_scale.sql does for all sites.
-- Roles: physician, rso.
with latest as (
    select max(performed_on) as baseline_to
    from procedure
    where not is_test and status = 'completed' and list_contains($scope_sites::varchar[], site)
),

own as (
    select
        modality, coalesce(procedure_code, procedure_name, '') as procedure_key,
        size_band(age_years, weight_kg, bmi) as size_band, baseline_to,
        unnest([
            {'dose_index': 'kap_gycm2', 'value': kap_gycm2},
            {'dose_index': 'air_kerma_mgy', 'value': air_kerma_mgy},
            {'dose_index': 'fluoro_time_s', 'value': fluoro_time_s},
            {'dose_index': 'dlp_mgycm', 'value': dlp_mgycm},
            {'dose_index': 'ctdi_vol_' || coalesce(ctdi_phantom_cm::integer::varchar, 'unknown'),
                'value': ctdi_vol_mgy}
        ], recursive := true)
    from procedure, latest
    where not is_test and status = 'completed' and modality in ('CT', 'fluoroscopy')
        and list_contains($scope_sites::varchar[], site)
        and performed_on > baseline_to - interval 12 month
),

kinds as (
    select baseline_from, baseline_to, modality, procedure_key, size_band, dose_index, n
    from dose_scale
    where $scope_sites::varchar[] is null and size_band <> 'all sizes'
    union all by name
    select
        any_value(baseline_to - interval 12 month + interval 1 day)::date as baseline_from,
        any_value(baseline_to) as baseline_to, modality, procedure_key, size_band, dose_index,
        count(*) as n
    from own
    where value > 0
    group by modality, procedure_key, size_band, dose_index
),

sized as (
    select *, sum(n) over (partition by modality, procedure_key, dose_index) as n_procedure
    from kinds
)

select
    min(baseline_from) as baseline_from,
    max(baseline_to) as baseline_to,
    coalesce(sum(n), 0)::bigint as n_values,
    coalesce(sum(n) filter (where n < $min_n::integer and n_procedure >= $min_n::integer), 0)::bigint
        as n_all_sizes,
    coalesce(sum(n) filter (where n_procedure < $min_n::integer), 0)::bigint as n_too_few
from sized
