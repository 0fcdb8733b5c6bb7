-- The dose reports of one procedure. Grain: dose report. Parameters: scope, procedure_id.
select
    r.started_at, r.modality, r.device, r.manufacturer, r.model, len(r.event_uids) as n_events,
    r.n_events_stated, r.air_kerma_mgy, r.kap_gycm2, r.fluoro_time_s, r.ctdi_vol_mgy,
    r.ctdi_phantom_cm, r.dlp_mgycm, r.ssde_mgy, r.peak_skin_dose_mgy, r.flags, r.details,
    f.path as source_path
from dose_report r
left join source_file f using (source_file_id)
where r.procedure_id = $procedure_id::bigint
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], r.site))
order by r.started_at nulls last, r.report_uid
