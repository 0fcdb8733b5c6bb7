-- Cases whose KAP and air kerma do not fit each other: one of the two units is probably wrong.
-- Grain: procedure. Parameters: filters and scope; ratio_low and ratio_high (cm², window of the mean
-- field area), ratio_factor (times above or below the machine's median), min_n of the machine.
-- ratio_cm2 is KAP / K_a,r: the mean beam area at the reference point.
with
-- include: filtered
,

ratios as (
    select procedure_id, coalesce(device, room, '') as machine,
        kap_gycm2 / air_kerma_mgy * 1000 as ratio_cm2
    from filtered
    where modality = 'fluoroscopy' and kap_gycm2 > 0 and air_kerma_mgy > 0
),

machines as (
    select machine, median(ratio_cm2) as machine_ratio_cm2, count(*) as machine_n
    from ratios
    group by machine
),

odd as (
    select *
    from ratios
    join machines using (machine)
    where ratio_cm2 not between $ratio_low::double and $ratio_high::double
        or (machine_n >= $min_n::integer and (
            ratio_cm2 > machine_ratio_cm2 * $ratio_factor::double
            or ratio_cm2 < machine_ratio_cm2 / $ratio_factor::double))
)

select
    procedure_id, f.performed_on, f.procedure_start_at, f.modality, f.procedure_code,
    f.procedure_name, f.site, f.room, f.device, f.operator, f.age_years, f.bmi, f.n_levels,
    f.kap_gycm2, f.air_kerma_mgy, ratio_cm2, machine_ratio_cm2, machine_n,
    f.dose_source, f.flags, count(*) over () as n_candidates
from odd
join filtered f using (procedure_id)
order by abs(ln(ratio_cm2 / machine_ratio_cm2)) desc, procedure_id
limit $most::bigint
