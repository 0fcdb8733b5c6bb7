-- How many completed CT and fluoroscopy procedures have a dose. Grain: room × month.
-- Parameters: filters and scope. Any dose index counts; a plain mGy figure without index too.
-- Roles: manager, physician, rso.
with
-- include: filtered

select
    site, modality, coalesce(room, 'room not stated') as room,
    date_trunc('month', performed_on)::date as month,
    count(*) as n,
    count(*) filter (
        where coalesce(kap_gycm2, air_kerma_mgy, dlp_mgycm, ctdi_vol_mgy, ssde_mgy, dose_mgy)
            is not null
    ) as n_with_dose
from filtered
where modality in ('CT', 'fluoroscopy')
group by all
order by site, room, modality, month
