-- The monthly course behind the overview's cards. Grain: one row per measure and month.
-- Parameters: filters, scope, course_from: the first day of the course (null: as the filters).
-- Medians are by linear interpolation, as in the analyses.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

base as materialized (
    select
        date_trunc('month', performed_on)::date as month,
        kap_gycm2,
        air_kerma_mgy,
        dlp_mgycm,
        ctdi_vol_mgy,
        duration_min,
        date_diff('minute', arrived_at, coalesce(room_in_at, procedure_start_at))::double
            as waiting_min
    from filtered
    where $course_from::date is null or performed_on >= $course_from::date
)

select 'kap_gycm2' as measure, month, median(kap_gycm2) as median, count(*) as n
from base
where kap_gycm2 is not null
group by month
union all
select 'air_kerma_mgy' as measure, month, median(air_kerma_mgy) as median, count(*) as n
from base
where air_kerma_mgy is not null
group by month
union all
select 'dlp_mgycm' as measure, month, median(dlp_mgycm) as median, count(*) as n
from base
where dlp_mgycm is not null
group by month
union all
select 'ctdi_vol_mgy' as measure, month, median(ctdi_vol_mgy) as median, count(*) as n
from base
where ctdi_vol_mgy is not null
group by month
union all
select 'duration_min' as measure, month, median(duration_min) as median, count(*) as n
from base
where duration_min is not null
group by month
union all
select 'waiting_min' as measure, month, median(waiting_min) as median, count(*) as n
from base
where waiting_min >= 0
group by month
order by measure, month
