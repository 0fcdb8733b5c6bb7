-- What the marts add and take away: rows as they stand now, and as they stood before the run (replaced).
-- Parameters: $base (highest procedure_id before the run).
create temp table if not exists replaced as from procedure limit 0;

create or replace temp table counted_change as
select
    1 as sign,
    procedure_id, performed_on, site, modality, procedure_code, room, operator, status, is_test,
    coalesce(kap_gycm2, air_kerma_mgy, dlp_mgycm, ctdi_vol_mgy, ssde_mgy, dose_mgy) is not null
        as has_dose
from changed
union all
select
    -1 as sign,
    procedure_id, performed_on, site, modality, procedure_code, room, operator, status, is_test,
    coalesce(kap_gycm2, air_kerma_mgy, dlp_mgycm, ctdi_vol_mgy, ssde_mgy, dose_mgy) is not null
        as has_dose
from replaced
where procedure_id <= $base;

create or replace temp view counted as from counted_change;
