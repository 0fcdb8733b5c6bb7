-- Who is in the groups: what is known of patients and cases before the procedure.
-- Grain: one row per group and measured characteristic (level null; n with a value, mean, variance), and
-- per group, characteristic and category (n; mean and variance null).
-- Parameters: filters, scope, group_by, stratum (null), first_of_patient.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: one_per_patient
,

grouped as materialized (
    select
-- include: chosen_group
        age_years, bmi, n_levels, sex, procedure_code
    from chosen
),

named as (
    select * from grouped where "group" is not null
),

measured as (
    select
        "group",
        unnest([
            {'place': 1, 'characteristic': 'age', 'n': count(age_years), 'mean': avg(age_years),
             'variance': var_samp(age_years)},
            {'place': 2, 'characteristic': 'bmi', 'n': count(bmi), 'mean': avg(bmi),
             'variance': var_samp(bmi)},
            {'place': 3, 'characteristic': 'levels', 'n': count(n_levels), 'mean': avg(n_levels),
             'variance': var_samp(n_levels)}
        ]) as found
    from named
    group by "group"
)

select
    "group",
    found.place as place,
    found.characteristic as characteristic,
    null::varchar as level,
    found.n as n,
    found.mean as mean,
    found.variance as variance
from measured
union all
select "group", 4, 'sex', sex, count(*), null, null
from named where sex is not null group by "group", sex
union all
select "group", 5, 'procedure', procedure_code, count(*), null, null
from named where procedure_code is not null group by "group", procedure_code
order by place, level nulls first, "group"
