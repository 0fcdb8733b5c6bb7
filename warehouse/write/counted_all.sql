-- What the marts count, made anew: every procedure.
delete from daily;
delete from filter_value;

create or replace temp view counted as
select
    1 as sign,
    procedure_id, performed_on, site, modality, procedure_code, room, operator, status, is_test,
    coalesce(kap_gycm2, air_kerma_mgy, dlp_mgycm, ctdi_vol_mgy, ssde_mgy, dose_mgy) is not null
        as has_dose
from procedure;
