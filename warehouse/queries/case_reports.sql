-- The dose reports of one procedure. Grain: dose report. Parameters: scope, procedure_id.
-- Roles: physician, rso.
select
    r.started_at, r.modality, r.device, r.manufacturer, r.model, len(r.event_uids) as n_events,
    r.n_events_stated, r.air_kerma_mgy, r.kap_gycm2, r.fluoro_time_s, r.ctdi_vol_mgy,
    r.ctdi_phantom_cm, r.dlp_mgycm, r.ssde_mgy, r.peak_skin_dose_mgy, r.flags, r.details,
    f.path as source_path
from dose_report r
join procedure p on p.procedure_id = r.procedure_id
left join source_file f on f.source_file_id = r.source_file_id
where r.procedure_id = $procedure_id::bigint
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], p.operator))
order by r.started_at nulls last, r.report_uid
