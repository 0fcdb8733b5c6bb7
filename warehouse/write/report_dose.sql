-- The dose of each procedure from all its reports, in any order of arrival. Table recombine: which.
-- A report whose events lie within another's is replaced by it; the rest add up, and an event that
-- two of them share counts once. Air kerma adds within a plane only: planes meet different skin.
create or replace temp table report_dose as
with report as (
    select *, list_distinct(event_uids) as events
    from dose_report
    semi join recombine using (procedure_id)
),
-- A report without UIDs of its own (an export, a summary) that says the doses of a report with UIDs, or of
-- all of them together, on the same day is that report once more: the one with UIDs stands.
own as (
    select *
    from report a
    where a.report_uid not like 'kerma.%'
),
whole as (
    select
        procedure_id, modality,
        sum(kap_gycm2) as kap_gycm2, sum(dlp_mgycm) as dlp_mgycm,
        null::double as air_kerma_mgy, sum(fluoro_time_s) as fluoro_time_s
    from own a
    where not exists (
        select 1
        from own b
        where b.procedure_id = a.procedure_id
            and b.modality = a.modality
            and b.report_uid <> a.report_uid
            and list_has_all(b.events, a.events)
            and (len(b.events), b.source_at, b.report_uid) > (len(a.events), a.source_at, a.report_uid)
    )
    group by procedure_id, modality
),
echo as (
    select e.report_uid
    from report e
    join own o using (procedure_id, modality)
    where e.report_uid like 'kerma.%'
        and same_totals(e, o)
        and e.performed_on = o.performed_on
    union
    -- It may name the report that it sums up.
    select e.report_uid
    from report e
    join own o using (procedure_id, modality)
    where e.report_uid like 'kerma.%' and e.events = [o.report_uid]
    union
    select e.report_uid
    from report e
    join whole w using (procedure_id, modality)
    where e.report_uid like 'kerma.%' and same_totals(e, w)
    union
    -- Two exports of one study, as text and as a workbook, may differ in their last digits.
    select e.report_uid
    from report e
    join report o using (procedure_id, modality)
    where e.report_uid like 'kerma.%'
        and o.report_uid like 'kerma.%'
        and e.source_file_id <> o.source_file_id
        and date_trunc('second', e.started_at) = date_trunc('second', o.started_at)
        and same_totals(e, o)
        and (len(e.events), e.report_uid) < (len(o.events), o.report_uid)
),
standing as (
    select *
    from (from report anti join echo using (report_uid)) a
    where not exists (
        select 1
        from report b
        where b.procedure_id = a.procedure_id
            and b.modality = a.modality
            and b.report_uid <> a.report_uid
            and list_has_all(b.events, a.events)
            and (len(b.events), b.source_at, b.report_uid) > (len(a.events), a.source_at, a.report_uid)
    )
),
event_of as (
    select s.procedure_id, s.modality, s.report_uid, unnest(s.events) as event_uid from standing s
),
plane_of as (
    select o.report_uid, if(count(distinct e.plane) = 1, min(e.plane), null) as plane
    from event_of o
    join irradiation_event e using (event_uid)
    group by o.report_uid
),
repeated as (
    select procedure_id, modality, event_uid, count(*) - 1 as extra
    from event_of
    group by all
    having count(*) > 1
),
overlap as (
    select
        r.procedure_id,
        r.modality,
        e.plane,
        sum(r.extra * coalesce(e.air_kerma_mgy, 0)) as air_kerma_mgy,
        sum(r.extra * coalesce(e.kap_gycm2, 0)) as kap_gycm2,
        sum(r.extra * coalesce(e.dlp_mgycm, 0)) as dlp_mgycm,
        sum(if(e.event_type ilike 'fluoro%', r.extra * coalesce(e.duration_s, 0), 0)) as fluoro_time_s
    from repeated r
    left join irradiation_event e using (event_uid)
    group by all
),
by_plane as (
    select
        s.procedure_id,
        s.modality,
        p.plane,
        sum(s.air_kerma_mgy) as air_kerma_mgy,
        sum(s.kap_gycm2) as kap_gycm2,
        sum(s.dlp_mgycm) as dlp_mgycm,
        sum(s.fluoro_time_s) as fluoro_time_s,
        max(s.ctdi_vol_mgy) as ctdi_vol_mgy,
        arg_max(s.ctdi_phantom_cm, s.ctdi_vol_mgy) as ctdi_phantom_cm,
        max(s.ssde_mgy) as ssde_mgy,
        max(s.peak_skin_dose_mgy) as peak_skin_dose_mgy,
        flatten(list(s.flags)) as flags
    from standing s
    left join plane_of p using (report_uid)
    group by s.procedure_id, s.modality, p.plane
),
less_overlap as (
    select
        b.* replace (
            b.air_kerma_mgy - coalesce(o.air_kerma_mgy, 0) as air_kerma_mgy,
            b.kap_gycm2 - coalesce(o.kap_gycm2, 0) as kap_gycm2,
            b.dlp_mgycm - coalesce(o.dlp_mgycm, 0) as dlp_mgycm,
            b.fluoro_time_s - coalesce(o.fluoro_time_s, 0) as fluoro_time_s
        ),
        o.procedure_id is not null as shares_events
    from by_plane b
    left join overlap o
        on o.procedure_id = b.procedure_id
        and o.modality = b.modality
        and o.plane is not distinct from b.plane
)
select
    procedure_id,
    max(air_kerma_mgy) as air_kerma_mgy,
    sum(kap_gycm2) as kap_gycm2,
    sum(dlp_mgycm) as dlp_mgycm,
    sum(fluoro_time_s) as fluoro_time_s,
    max(ctdi_vol_mgy) as ctdi_vol_mgy,
    arg_max(ctdi_phantom_cm, ctdi_vol_mgy) as ctdi_phantom_cm,
    max(ssde_mgy) as ssde_mgy,
    max(peak_skin_dose_mgy) as peak_skin_dose_mgy,
    list_distinct(
        list_concat(
            flatten(list(flags)), case when bool_or(shares_events) then ['reports_overlap'] else [] end
        )
    ) as flags,
    list_sort(list(distinct modality)) as modalities
from less_overlap
group by procedure_id;
