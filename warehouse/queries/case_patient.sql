-- The same patient's procedures around one procedure, itself included. Grain: procedure.
-- Parameters: scope, procedure_id, months (before and after).
-- Cases of others have no number for a reader of own cases only.
-- Roles: physician, rso.
with this as (
    select patient_key, performed_on
    from procedure
    where procedure_id = $procedure_id::bigint and patient_key is not null
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], operator))
)

select
    case when ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], p.operator))
        then p.procedure_id end as procedure_id, p.performed_on, p.procedure_start_at, p.modality, p.procedure_code,
    p.procedure_name, p.room, p.status, p.air_kerma_mgy, p.kap_gycm2, p.fluoro_time_s,
    p.dlp_mgycm, p.ctdi_vol_mgy, p.peak_skin_dose_mgy, p.region, p.age_years
from procedure p, this
where p.patient_key = this.patient_key and not p.is_test
    and p.status in ('completed', 'discontinued')
    and p.performed_on between this.performed_on - to_months($months::integer)
        and this.performed_on + to_months($months::integer)
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
order by p.performed_on, p.procedure_start_at, p.procedure_id
