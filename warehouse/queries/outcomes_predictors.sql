-- Baseline and score at one time point beside what may predict the response.
-- Grain: one row per patient (the first procedure in view that has both), at most $most, drawn evenly
-- by a hash of the patient: the same snapshot gives the same patients. n_patients counts them all.
-- Parameters: filters, scope, outcome_scale (pain | odi | ndi), at (time point), extra_fields (further
-- columns of the log, as text in the order given), most.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: outcome_points
,

scored as (
    select
        procedure_id,
        s0 as baseline,
        case $at::varchar when '15min' then s1 when '1wk' then s2 when '2wk' then s3 when
            '1mo' then s4 when '2mo' then s5 when '3mo' then s6 when '6mo' then s7 end as score
    from points
    where s0 > 0
),

patients as materialized (
    select
        hash(coalesce(p.patient_key, p.procedure_id::varchar)) as patient,
        arg_min(
            {'id': s.procedure_id, 'baseline': s.baseline, 'score': s.score},
            row(p.performed_on, p.procedure_id)
        ) as first
    from scored as s
    inner join procedure as p on p.procedure_id = s.procedure_id
    where s.score is not null
    group by patient
),

drawn as materialized (
    select first.id as procedure_id, first.baseline as baseline, first.score as score
    from patients
    order by patient
    limit $most::bigint
)

select
    d.baseline,
    d.score,
    (select count(*) from patients) as n_patients,
    p.modality,
    coalesce(p.procedure_code, 'unmapped') as "procedure",
    p.age_years,
    p.sex,
    p.bmi,
    p.n_levels,
    p.laterality,
    p.trainee,
    p.contrast_pattern,
    p.injectate,
    list_transform(
        $extra_fields::varchar[],
        lambda field: json_extract_string(p.extra, '$."' || replace(field, '"', '\"') || '"')
    ) as further
from drawn as d
inner join procedure as p on p.procedure_id = d.procedure_id
