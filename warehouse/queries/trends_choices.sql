-- Which dose indices the view holds, by procedure and room. Grain: modality × procedure ×
-- room.
-- Parameters: filters and scope. Counts are procedures with a value above zero.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    modality,
    coalesce(procedure_code, 'unmapped') as procedure,
    coalesce(room, '') as room,
    count(*) as n_all,
    count(*) filter (where kap_gycm2 > 0) as kap_gycm2,
    count(*) filter (where air_kerma_mgy > 0) as air_kerma_mgy,
    count(*) filter (where fluoro_time_s > 0) as fluoro_time_s,
    count(*) filter (where dlp_mgycm > 0) as dlp_mgycm,
    count(*) filter (where ctdi_vol_mgy > 0 and ctdi_phantom_cm = 16) as ctdi_vol_16_mgy,
    count(*) filter (where ctdi_vol_mgy > 0 and ctdi_phantom_cm = 32) as ctdi_vol_32_mgy,
    count(*) filter (where ctdi_vol_mgy > 0 and ctdi_phantom_cm is null) as ctdi_vol_unknown_mgy
from filtered
where modality in ('CT', 'fluoroscopy')
group by all
order by n_all desc, procedure, room
