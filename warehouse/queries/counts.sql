-- How many procedures a view shows, of how many, and what it leaves out. Grain: one row.
-- Parameters: filters and scope. Rows of one procedure are counted once, by their first reason.
-- Where at most period, site and modality are chosen, the counts by day hold all of it and no
-- procedure is read.
-- Roles: manager, physician, rso.
with in_view as (
    select modality, status, is_test, true as chosen, n, n_dose
    from daily
    where $procedures::varchar[] is null
        and $rooms::varchar[] is null
        and $operators::varchar[] is null
        and coalesce($age_low::double, $age_high::double, $bmi_low::double, $bmi_high::double)
            is null
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($from_date::date is null or performed_on >= $from_date::date)
        and ($to_date::date is null or performed_on <= $to_date::date)
        and ($modalities::varchar[] is null or list_contains($modalities::varchar[], modality))
        and ($sites::varchar[] is null or list_contains($sites::varchar[], site))
    union all
    select
        modality,
        status,
        is_test,
        ($operators::varchar[] is null or list_contains($operators::varchar[], operator))
            and ($age_low::double is null or age_years >= $age_low::double)
            and ($age_high::double is null or age_years < $age_high::double)
            and ($bmi_low::double is null or bmi >= $bmi_low::double)
            and ($bmi_high::double is null or bmi < $bmi_high::double) as chosen,
        1,
        (
            coalesce(kap_gycm2, air_kerma_mgy, dlp_mgycm, ctdi_vol_mgy, ssde_mgy, dose_mgy)
            is not null
        )::bigint
    from procedure
    where (
            $procedures::varchar[] is not null
            or $rooms::varchar[] is not null
            or $operators::varchar[] is not null
            or coalesce($age_low::double, $age_high::double, $bmi_low::double, $bmi_high::double)
                is not null
        )
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($from_date::date is null or performed_on >= $from_date::date)
        and ($to_date::date is null or performed_on <= $to_date::date)
        and ($modalities::varchar[] is null or list_contains($modalities::varchar[], modality))
        and ($procedures::varchar[] is null
            or list_contains($procedures::varchar[], coalesce(procedure_code, 'unmapped')))
        and ($sites::varchar[] is null or list_contains($sites::varchar[], site))
        and ($rooms::varchar[] is null or list_contains($rooms::varchar[], room))
)

select
    (
        select coalesce(sum(n), 0)::bigint
        from daily
        where not is_test and status = 'completed'
            and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
    ) as n_all,
    coalesce(sum(n) filter (where counts and chosen), 0)::bigint as n_shown,
    coalesce(sum(n) filter (where counts and chosen and ionising), 0)::bigint as n_ionising,
    coalesce(sum(n - n_dose) filter (where counts and chosen and ionising), 0)::bigint
        as n_without_dose,
    coalesce(sum(n) filter (where is_test), 0)::bigint as n_test,
    coalesce(sum(n) filter (where not is_test and status = 'cancelled'), 0)::bigint as n_cancelled,
    coalesce(sum(n) filter (where not is_test and status = 'discontinued'), 0)::bigint
        as n_discontinued,
    coalesce(sum(n) filter (where not is_test and status = 'scheduled'), 0)::bigint as n_scheduled,
    coalesce(sum(n) filter (where not is_test and status = 'deleted'), 0)::bigint as n_deleted
from (
    select
        *,
        not is_test and status = 'completed' as counts,
        modality in ('CT', 'fluoroscopy') as ionising
    from in_view
)
