-- Compute each procedure of table recombine from its parts: the log's words first, gaps filled by its
-- reports in order of time, dose from the reports, outcomes from the follow-ups. Parameters: $run_id.
insert into reused
select p.site, p.accession_number
from procedure p
semi join recombine using (procedure_id)
where list_contains(p.flags, 'accession_reused');

create or replace temp table combined as
with part as (
    select *, if(part = 'log', 0, 1) as part_no
    from procedure_part
    semi join recombine using (procedure_id)
),
-- Each report says its own time; the procedure began with the first.
merged as (
    select
        procedure_id,
        any_value(
            columns(* exclude (procedure_id, flags, is_test, part, report_uid, part_no, run_id))
            order by part_no, procedure_start_at, report_uid
        ),
        bool_or(is_test) as is_test,
        list_distinct(flatten(list(flags))) as flags
    from part
    group by procedure_id
)
select
    m.* exclude (flags) replace (
        coalesce(m.pain_scale, f.pain_scale) as pain_scale,
        coalesce(f.pain_baseline, m.pain_baseline) as pain_baseline,
        coalesce(f.pain_15min, m.pain_15min) as pain_15min,
        coalesce(f.pain_1wk, m.pain_1wk) as pain_1wk,
        coalesce(f.pain_2wk, m.pain_2wk) as pain_2wk,
        coalesce(f.pain_1mo, m.pain_1mo) as pain_1mo,
        coalesce(f.pain_2mo, m.pain_2mo) as pain_2mo,
        coalesce(f.pain_3mo, m.pain_3mo) as pain_3mo,
        coalesce(f.pain_6mo, m.pain_6mo) as pain_6mo,
        coalesce(f.odi_baseline, m.odi_baseline) as odi_baseline,
        coalesce(f.odi_1wk, m.odi_1wk) as odi_1wk,
        coalesce(f.odi_2wk, m.odi_2wk) as odi_2wk,
        coalesce(f.odi_1mo, m.odi_1mo) as odi_1mo,
        coalesce(f.odi_2mo, m.odi_2mo) as odi_2mo,
        coalesce(f.odi_3mo, m.odi_3mo) as odi_3mo,
        coalesce(f.odi_6mo, m.odi_6mo) as odi_6mo,
        coalesce(f.ndi_baseline, m.ndi_baseline) as ndi_baseline,
        coalesce(f.ndi_1wk, m.ndi_1wk) as ndi_1wk,
        coalesce(f.ndi_2wk, m.ndi_2wk) as ndi_2wk,
        coalesce(f.ndi_1mo, m.ndi_1mo) as ndi_1mo,
        coalesce(f.ndi_2mo, m.ndi_2mo) as ndi_2mo,
        coalesce(f.ndi_3mo, m.ndi_3mo) as ndi_3mo,
        coalesce(f.ndi_6mo, m.ndi_6mo) as ndi_6mo,
        coalesce(f.satisfaction, m.satisfaction) as satisfaction,
        if(
            f.all_terms is null and f.added_terms is null,
            m.complications,
            together(coalesce(f.all_terms, m.complications), f.added_terms)
        ) as complications,
        if(
            f.all_terms is null,
            coalesce(m.complication_scale, f.complication_scale),
            coalesce(f.complication_scale, m.complication_scale)
        ) as complication_scale,
        coalesce(
            m.second_modality, list_filter(d.modalities, lambda x: x <> m.modality)[1]
        ) as second_modality,
        coalesce(d.air_kerma_mgy, m.air_kerma_mgy) as air_kerma_mgy,
        coalesce(d.kap_gycm2, m.kap_gycm2) as kap_gycm2,
        coalesce(d.fluoro_time_s, m.fluoro_time_s) as fluoro_time_s,
        coalesce(d.ctdi_vol_mgy, m.ctdi_vol_mgy) as ctdi_vol_mgy,
        if(d.ctdi_vol_mgy is null, m.ctdi_phantom_cm, d.ctdi_phantom_cm) as ctdi_phantom_cm,
        coalesce(d.dlp_mgycm, m.dlp_mgycm) as dlp_mgycm,
        coalesce(d.ssde_mgy, m.ssde_mgy) as ssde_mgy,
        coalesce(d.peak_skin_dose_mgy, m.peak_skin_dose_mgy) as peak_skin_dose_mgy,
        case m.dose_index
            when 'air_kerma' then coalesce(d.air_kerma_mgy, m.dose_mgy)
            when 'ctdi_vol' then coalesce(d.ctdi_vol_mgy, m.dose_mgy)
            when 'ssde' then coalesce(d.ssde_mgy, m.dose_mgy)
            else m.dose_mgy
        end as dose_mgy,
        if(
            coalesce(
                d.air_kerma_mgy, d.kap_gycm2, d.fluoro_time_s, d.ctdi_vol_mgy, d.dlp_mgycm,
                d.ssde_mgy, d.peak_skin_dose_mgy
            ) is null,
            m.dose_source,
            'report'
        ) as dose_source
    ),
    list_distinct(list_concat(m.flags, coalesce(d.flags, []))) as flags,
    $run_id as run_id
from merged m
left join report_dose d using (procedure_id)
left join follow_up_word f using (procedure_id);

-- What the log said of dose where the report says otherwise.
create or replace temp table log_dose_aside as
with said as (
    unpivot (
        select
            procedure_id, air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy,
            peak_skin_dose_mgy, dose_mgy
        from procedure_part
        semi join recombine using (procedure_id)
        where part = 'log'
    )
    on * exclude (procedure_id)
    into name field value said
),
stands as (
    unpivot (
        select
            procedure_id, air_kerma_mgy, kap_gycm2, fluoro_time_s, ctdi_vol_mgy, dlp_mgycm, ssde_mgy,
            peak_skin_dose_mgy, dose_mgy
        from combined
    )
    on * exclude (procedure_id)
    into name field value stands
)
select procedure_id, field, said, abs(said - stands) > 0.05 * abs(stands) as contradicts
from said
join stands using (procedure_id, field)
where said <> stands;

delete from raw_value
where source = 'log, set aside' and procedure_id in (select procedure_id from recombine);

insert into raw_value by name
select
    procedure_id,
    field,
    said::varchar as text,
    case
        when field like '%_mgycm' then 'mGy·cm'
        when field like '%_mgy' then 'mGy'
        when field like '%_gycm2' then 'Gy·cm²'
        when field like '%_s' then 's'
    end as unit,
    'log, set aside' as source
from log_dose_aside;

create temp table if not exists replaced as from procedure limit 0;
insert into replaced
from procedure
semi join recombine using (procedure_id)
anti join replaced using (procedure_id);

delete from procedure where procedure_id in (select procedure_id from recombine);

insert into procedure by name
select
    c.* replace (
        if(a.procedure_id is null, c.flags, list_append(c.flags, 'dose_contradiction')) as flags
    )
from combined c
left join (select distinct procedure_id from log_dose_aside where contradicts) a using (procedure_id);

insert into touched from recombine;
delete from recombine;
