-- The irradiation events of one procedure in order of time. Grain: irradiation event.
-- Parameters: scope, procedure_id.
-- Roles: physician, rso.
select
    row_number() over (order by e.started_at nulls last, e.event_uid) as event, e.started_at,
    e.event_type, e.protocol, e.plane, e.air_kerma_mgy, e.kap_gycm2, e.ctdi_vol_mgy,
    e.ctdi_phantom_cm, e.dlp_mgycm, e.duration_s, e.kvp, e.ma, e.body_region
from irradiation_event e
join procedure p using (procedure_id)
where e.procedure_id = $procedure_id::bigint
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], p.operator))
order by event
