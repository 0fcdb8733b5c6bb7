delete from dose_scale;

-- Groups go by a number: by their four names the medians take twice the time.
create or replace temp table scaled_case as
with latest as (
    select max(performed_on) as baseline_to
    from procedure
    where not is_test and status = 'completed'
)

select
    modality, coalesce(procedure_code, procedure_name, '') as procedure_key,
    size_band(age_years, weight_kg, bmi) as size_band, baseline_to,
    hash(modality, procedure_key) as kind, hash(kind, size_band) as sized_kind,
    kap_gycm2, air_kerma_mgy, fluoro_time_s, dlp_mgycm, ctdi_vol_mgy, ctdi_phantom_cm
from procedure, latest
where not is_test and status = 'completed' and modality in ('CT', 'fluoroscopy')
    and performed_on > baseline_to - interval 12 month;

create or replace temp table scaled_group as
with sized as (
    select sized_kind, kind, modality, procedure_key, size_band, baseline_to
    from scaled_case
    group by all
)

select sized_kind as number, modality, procedure_key, size_band, baseline_to from sized
union all
select distinct kind, modality, procedure_key, 'all sizes', baseline_to from sized;

-- One dose index after another: an exact median keeps every value until it is known, and five
-- indices at once do not fit into a refresh's memory beside ten million procedures.
create or replace temp macro scale_of(indices) as table
with measured as (
    select sized_kind, kind, 'kap_gycm2' as dose_index, kap_gycm2 as value from scaled_case
    union all
    select sized_kind, kind, 'air_kerma_mgy', air_kerma_mgy from scaled_case
    union all
    select sized_kind, kind, 'fluoro_time_s', fluoro_time_s from scaled_case
    union all
    select sized_kind, kind, 'dlp_mgycm', dlp_mgycm from scaled_case
    union all
    select sized_kind, kind,
        case ctdi_phantom_cm
            when 16 then 'ctdi_vol_16_mgy'
            when 32 then 'ctdi_vol_32_mgy'
            else 'ctdi_vol_unknown_mgy'
        end,
        ctdi_vol_mgy
    from scaled_case
),

scale as (
    select
        coalesce(sized_kind, kind) as number, dose_index,
        count(*) as n,
        median(ln(value)) as median_ln,
        mad(ln(value)) as mad_ln,
        quantile_cont(value, [0.5, 0.75, 0.95]) as percentiles
    from measured
    where value > 0 and list_contains(indices, dose_index)
    group by grouping sets ((sized_kind, dose_index), (kind, dose_index))
)

select
    modality, procedure_key, size_band, dose_index,
    (baseline_to - interval 12 month + interval 1 day)::date as baseline_from, baseline_to,
    n, median_ln, mad_ln,
    percentiles[1] as p50, percentiles[2] as p75, percentiles[3] as p95
from scale
join scaled_group using (number)
order by modality, procedure_key, size_band, dose_index;

insert into dose_scale by name from scale_of(['kap_gycm2']);

insert into dose_scale by name from scale_of(['air_kerma_mgy']);

insert into dose_scale by name from scale_of(['fluoro_time_s']);

insert into dose_scale by name from scale_of(['dlp_mgycm']);

insert into dose_scale by name
from scale_of(['ctdi_vol_16_mgy', 'ctdi_vol_32_mgy', 'ctdi_vol_unknown_mgy']);

drop table scaled_case;

drop table scaled_group;
