-- How far the doses of each room lie from those of cases alike, month by month. Grain: one row per
-- site, room and month with cases. Parameters: filters, scope, modality, dose_index, min_n.
-- mean is that of ln dose less the median of ln dose of cases alike (procedure and size band, at
-- least min_n cases); sum_of_squares is about the mean. Cases without a room are left out.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

chosen as (
    select
        site,
        room,
        date_trunc('month', performed_on)::date as month,
        coalesce(procedure_code, procedure_name) as kind,
        size_band(age_years, weight_kg, bmi) as size_band,
-- include: dose_value
        as value
    from filtered
    where modality = $modality::varchar and room is not null
),

logs as (
    select site, room, month, kind, size_band, ln(value) as ln_dose
    from chosen
    where value > 0 and kind is not null
),

alike as (
    select kind, size_band, median(ln_dose) as usual
    from logs
    group by kind, size_band
    having count(*) >= $min_n::integer
)

select
    site,
    room,
    month,
    count(*) as n,
    avg(ln_dose - usual) as mean,
    var_pop(ln_dose - usual) * count(*) as sum_of_squares
from logs
join alike using (kind, size_band)
group by site, room, month
order by site, room, month
