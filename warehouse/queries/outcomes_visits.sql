-- The visits of at most so many procedures, drawn evenly, for models that need the patients.
-- Grain: one row per procedure and timepoint with a score, in per cent of the scale's range.
-- Parameters: filters, scope, outcome_scale (pain | odi | ndi), most (procedures).
-- subject numbers the patients and names nobody. The draw is by a hash of the procedure, so the same
-- snapshot gives the same procedures.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

-- include: outcome_points
,

drawn as materialized (
    select *
    from points
    where s0 is not null
    order by hash(procedure_id)
    limit $most::bigint
),

named as materialized (
    select
        drawn.*,
        dense_rank() over (order by coalesce(p.patient_key, p.procedure_id::varchar)) as subject
    from drawn
    inner join procedure as p on p.procedure_id = drawn.procedure_id
),

visits as (
    select subject, modality, s0 as baseline, '15min' as timepoint, s1 as "value" from named
    union all
    select subject, modality, s0, '1wk', s2 from named
    union all
    select subject, modality, s0, '2wk', s3 from named
    union all
    select subject, modality, s0, '1mo', s4 from named
    union all
    select subject, modality, s0, '2mo', s5 from named
    union all
    select subject, modality, s0, '3mo', s6 from named
    union all
    select subject, modality, s0, '6mo', s7 from named
)

select *
from visits
where "value" is not null
