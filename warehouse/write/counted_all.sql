-- What the marts count, made anew: every procedure.
delete from daily;
delete from filter_value;

create or replace temp view counted as
select
    1 as sign,
    procedure_id, performed_on, site, modality, procedure_code, room, operator, status, is_test,
    coalesce(air_kerma_mgy, kap_gycm2, ctdi_vol_mgy, dlp_mgycm, dose_mgy) is not null as has_dose,
    duration_min is not null as has_duration,
    complications is not null as has_complications,
    satisfaction is not null as has_satisfaction
from procedure;
