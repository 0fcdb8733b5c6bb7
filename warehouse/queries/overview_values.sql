-- The values behind the overview's cards, counted, so that medians and their intervals are exact.
-- Grain: one row per measure, period (current or the one before) and value.
-- Parameters: filters (from_date is the first day of the previous period), scope,
-- current_from: the first day of the current period.
-- Waiting is from arrival to room entry, or to the start where room entry is not recorded.
-- One count per measure is three times faster than one over an unpivoted table.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

base as materialized (
    select
        $current_from::date is null or performed_on >= $current_from::date as is_current,
        kap_gycm2,
        air_kerma_mgy,
        dlp_mgycm,
        ctdi_vol_mgy,
        duration_min,
        date_diff('minute', arrived_at, coalesce(room_in_at, procedure_start_at))::double
            as waiting_min
    from filtered
)

select 'kap_gycm2' as measure, is_current, kap_gycm2 as value, count(*) as n
from base
where kap_gycm2 is not null
group by all
union all
select 'air_kerma_mgy' as measure, is_current, air_kerma_mgy as value, count(*) as n
from base
where air_kerma_mgy is not null
group by all
union all
select 'dlp_mgycm' as measure, is_current, dlp_mgycm as value, count(*) as n
from base
where dlp_mgycm is not null
group by all
union all
select 'ctdi_vol_mgy' as measure, is_current, ctdi_vol_mgy as value, count(*) as n
from base
where ctdi_vol_mgy is not null
group by all
union all
select 'duration_min' as measure, is_current, duration_min as value, count(*) as n
from base
where duration_min is not null
group by all
union all
select 'waiting_min' as measure, is_current, waiting_min as value, count(*) as n
from base
where waiting_min >= 0
group by all
