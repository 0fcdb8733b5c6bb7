-- Cases that may break a rule: far out on their own scale or at a trigger level, in one dose index
-- or more; analytics.outliers judges them. Grain: procedure × dose index.
-- Parameters: filters and scope; own_index, own_z and own_share (lists of equal length: of a dose
-- index the least robust standard deviations and the least share of the log distance from P50 to
-- P95 that a rule asks for; null where no rule does); min_n of the own scale; trigger_index and
-- trigger_level (the lowest level of an index); most (rows at most; n_candidates counts before it).
-- robust_z is the distance from the median of the logarithms in robust standard deviations
-- (1.4826 MAD). Where a size band has fewer than min_n cases, all sizes of the procedure stand in
-- (all_sizes); null where these are too few too.
with
-- include: filtered
,

usable_scale as (
    select s.* exclude (n, median_ln, mad_ln, p50, p75, p95),
        s.n < $min_n::integer as all_sizes,
        if(all_sizes, w.n, s.n) as n,
        if(all_sizes, w.median_ln, s.median_ln) as median_ln,
        if(all_sizes, w.mad_ln, s.mad_ln) as mad_ln,
        if(all_sizes, w.p50, s.p50) as p50,
        if(all_sizes, w.p75, s.p75) as p75,
        if(all_sizes, w.p95, s.p95) as p95,
        1.482602218505602 * if(all_sizes, w.mad_ln, s.mad_ln) as sigma_ln
    from dose_scale s
    join dose_scale w using (modality, procedure_key, dose_index)
    where s.size_band <> 'all sizes' and w.size_band = 'all sizes'
        and w.n >= $min_n::integer and if(s.n < $min_n::integer, w.mad_ln, s.mad_ln) > 0
),

own_rules as (
    select
        unnest($own_index::varchar[]) as dose_index,
        unnest($own_z::double[]) as z,
        unnest($own_share::double[]) as share
),

own_limits as (
    select
        modality, procedure_key, size_band, dose_index,
        exp(least(median_ln + z * sigma_ln, ln(p50) + share * (ln(p95) - ln(p50)))) as own_limit
    from usable_scale
    join own_rules using (dose_index)
),

own as (
    select
        modality, procedure_key, size_band,
        max(own_limit) filter (where dose_index = 'kap_gycm2') as kap,
        max(own_limit) filter (where dose_index = 'air_kerma_mgy') as air_kerma,
        max(own_limit) filter (where dose_index = 'fluoro_time_s') as fluoro_time,
        max(own_limit) filter (where dose_index = 'dlp_mgycm') as dlp,
        max(own_limit) filter (where dose_index = 'ctdi_vol_16_mgy') as ctdi_16,
        max(own_limit) filter (where dose_index = 'ctdi_vol_32_mgy') as ctdi_32,
        max(own_limit) filter (where dose_index = 'ctdi_vol_unknown_mgy') as ctdi_unknown
    from own_limits
    group by modality, procedure_key, size_band
),

lowest as not materialized (
    select
        max(level) filter (where dose_index = 'kap_gycm2') as kap,
        max(level) filter (where dose_index = 'air_kerma_mgy') as air_kerma,
        max(level) filter (where dose_index = 'fluoro_time_s') as fluoro_time,
        max(level) filter (where dose_index = 'dlp_mgycm') as dlp,
        max(level) filter (where dose_index = 'ctdi_vol_mgy') as ctdi,
        max(level) filter (where dose_index = 'peak_skin_dose_mgy') as skin
    from (
        select
            unnest($trigger_index::varchar[]) as dose_index,
            unnest($trigger_level::double[]) as level
    )
),

cases as not materialized (
    select
        procedure_id, modality, kap_gycm2, air_kerma_mgy, fluoro_time_s, dlp_mgycm, ctdi_vol_mgy,
        ctdi_phantom_cm, peak_skin_dose_mgy,
        coalesce(procedure_code, procedure_name, '') as procedure_key,
        size_band(age_years, weight_kg, bmi) as size_band
    from filtered
    where modality in ('CT', 'fluoroscopy')
),

suspects as materialized (
    select
        c.*,
        least(own.kap, lowest.kap) as kap_limit,
        least(own.air_kerma, lowest.air_kerma) as air_kerma_limit,
        least(own.fluoro_time, lowest.fluoro_time) as fluoro_time_limit,
        least(own.dlp, lowest.dlp) as dlp_limit,
        least(
            case ctdi_phantom_cm
                when 16 then own.ctdi_16 when 32 then own.ctdi_32 else own.ctdi_unknown
            end,
            lowest.ctdi
        ) as ctdi_limit,
        lowest.skin as skin_limit
    from cases c
    cross join lowest
    left join own using (modality, procedure_key, size_band)
    where kap_gycm2 >= kap_limit or air_kerma_mgy >= air_kerma_limit
        or fluoro_time_s >= fluoro_time_limit or dlp_mgycm >= dlp_limit
        or ctdi_vol_mgy >= ctdi_limit or peak_skin_dose_mgy >= skin_limit
),

far as (
    select procedure_id, unnest([
        struct_pack(dose_index := 'kap_gycm2', value := kap_gycm2, reached := kap_limit),
        struct_pack(dose_index := 'air_kerma_mgy', value := air_kerma_mgy,
            reached := air_kerma_limit),
        struct_pack(dose_index := 'fluoro_time_s', value := fluoro_time_s,
            reached := fluoro_time_limit),
        struct_pack(dose_index := 'dlp_mgycm', value := dlp_mgycm, reached := dlp_limit),
        struct_pack(
            dose_index := case ctdi_phantom_cm
                when 16 then 'ctdi_vol_16_mgy' when 32 then 'ctdi_vol_32_mgy'
                else 'ctdi_vol_unknown_mgy'
            end,
            value := ctdi_vol_mgy, reached := ctdi_limit),
        struct_pack(dose_index := 'peak_skin_dose_mgy', value := peak_skin_dose_mgy,
            reached := skin_limit)
    ], recursive := true),
    modality, procedure_key, size_band
    from suspects
)

select
    procedure_id, p.performed_on, p.procedure_start_at, p.modality, p.procedure_code,
    p.procedure_name, p.site, p.room, p.device, p.operator, p.age_years, p.bmi, p.n_levels,
    far.dose_index, far.value, far.size_band, far.procedure_key,
    u.all_sizes, u.n as n_scale, u.median_ln, u.mad_ln, u.p50, u.p75, u.p95, u.baseline_from, u.baseline_to,
    (ln(far.value) - u.median_ln) / u.sigma_ln as robust_z,
    p.dose_source, p.flags, count(*) over () as n_candidates
from far
join procedure p using (procedure_id)
left join usable_scale u on u.modality = far.modality and u.procedure_key = far.procedure_key
    and u.size_band = far.size_band and u.dose_index = far.dose_index
where far.value >= far.reached
order by robust_z desc nulls last, far.value desc, procedure_id, far.dose_index
limit $most::bigint
