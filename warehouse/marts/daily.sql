-- Counts per day: see table daily.
delete from daily;

insert into daily
select
    performed_on, site, modality, status, is_test,
    count(*) as n,
    count(*) filter (
        coalesce(air_kerma_mgy, kap_gycm2, ctdi_vol_mgy, dlp_mgycm, dose_mgy) is not null
    ) as n_dose,
    count(duration_min) as n_duration,
    count(complications) as n_complications,
    count(satisfaction) as n_satisfaction
from procedure
where status <> 'deleted'
group by performed_on, site, modality, status, is_test
order by performed_on, site, modality, status, is_test;
