-- Cases like one case: same modality, procedure and size band, within 12 months of it; those with
-- the same number of levels, then the nearest in body mass index and age. Grain: procedure.
-- Parameters: scope, procedure_id, most.
-- Cases of others have no number for a reader of own cases only.
-- Roles: physician, rso.
with this as (
    select
        modality, coalesce(procedure_code, procedure_name, '') as procedure_key,
        size_band(age_years, weight_kg, bmi) as size_band, performed_on, n_levels, bmi, age_years,
        coalesce(age_years < 16, false) as child
    from procedure
    where procedure_id = $procedure_id::bigint
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], operator))
)

select
    case when ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], p.operator))
        then p.procedure_id end as procedure_id, p.performed_on, p.room, p.age_years, p.bmi, p.n_levels, p.air_kerma_mgy,
    p.kap_gycm2, p.fluoro_time_s, p.dlp_mgycm, p.ctdi_vol_mgy, p.duration_min,
    count(*) over () as n_similar
from procedure p, this
where p.procedure_id <> $procedure_id::bigint and not p.is_test and p.status = 'completed'
    and p.modality = this.modality
    and coalesce(p.procedure_code, p.procedure_name, '') = this.procedure_key
    and coalesce(p.age_years < 16, false) = this.child
    and size_band(p.age_years, p.weight_kg, p.bmi) = this.size_band
    and p.performed_on between this.performed_on - interval 12 month
        and this.performed_on + interval 12 month
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
order by
    (p.n_levels is distinct from this.n_levels),
    coalesce(abs(p.bmi - this.bmi), 100) + coalesce(abs(p.age_years - this.age_years), 100) / 5,
    p.procedure_id
limit $most::bigint
