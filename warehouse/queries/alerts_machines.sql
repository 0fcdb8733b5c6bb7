-- The field area KAP / K_a,r, cm2, that each machine usually has. Grain: site and machine.
-- Parameters: scope; runs.
-- Roles: system.
with
-- include: counted_cases

select
    site,
    coalesce(device, room, 'machine not stated') as machine,
    median(1000 * kap_gycm2 / air_kerma_mgy) as machine_median_cm2,
    count(*) as machine_n
from counted
where kap_gycm2 > 0 and isfinite(kap_gycm2) and air_kerma_mgy > 0 and isfinite(air_kerma_mgy)
group by all
order by all
