-- Cases whose KAP and air kerma do not fit each other: one of the two units is probably wrong.
-- Grain: procedure. Parameters: filters and scope; area_low and area_high (cm², window of the mean
-- field area), factor (times above or below the machine's median), min_n of the machine; most.
-- field_area_cm2 is KAP / K_a,r: the mean beam area at the reference point.
-- Roles: physician, rso.
with
-- include: filtered
,

ratios as (
    select
        procedure_id, site, coalesce(device, room, 'machine not stated') as machine,
        kap_gycm2 / air_kerma_mgy * 1000 as field_area_cm2
    from filtered
    where modality = 'fluoroscopy' and kap_gycm2 > 0 and air_kerma_mgy > 0
),

machines as (
    select
        site, machine, median(field_area_cm2) as machine_median_cm2, count(*) as machine_n
    from ratios
    group by site, machine
),

odd as (
    select *
    from ratios
    join machines using (site, machine)
    where field_area_cm2 not between $area_low::double and $area_high::double
        or (machine_n >= $min_n::integer and (
            field_area_cm2 >= machine_median_cm2 * $factor::double
            or field_area_cm2 <= machine_median_cm2 / $factor::double))
)

select
    procedure_id, f.performed_on, f.procedure_start_at, f.modality, f.procedure_code,
    f.procedure_name, f.site, f.room, f.device, f.operator, f.age_years, f.bmi, f.n_levels,
    f.dose_source, f.flags, coalesce(f.procedure_code, f.procedure_name, '') as procedure_key,
    size_band(f.age_years, f.weight_kg, f.bmi) as size_band,
    f.kap_gycm2, f.air_kerma_mgy, odd.machine, field_area_cm2, machine_median_cm2, machine_n,
    count(*) over () as n_candidates
from odd
join filtered f using (procedure_id)
where ($scope_operators::varchar[] is null
    or list_contains($scope_operators::varchar[], f.operator))
order by abs(ln(field_area_cm2 / machine_median_cm2)) desc, procedure_id
limit $most::bigint
