-- How many procedures a view shows, of how many, and what it leaves out. Grain: one row.
-- Parameters: filters and scope. Rows of one procedure are counted once, by their first reason.
-- n_all comes from daily: only the rows of the view are read.
-- Roles: manager, physician, rso.
select
    (
        select coalesce(sum(n), 0)::bigint
        from daily
        where not is_test and status = 'completed'
            and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
    ) as n_all,
    count(*) filter (where counts and chosen) as n_shown,
    count(*) filter (where counts and chosen and ionising) as n_ionising,
    count(*) filter (where counts and chosen and ionising and not dosed) as n_without_dose,
    count(*) filter (where is_test) as n_test,
    count(*) filter (where not is_test and status = 'cancelled') as n_cancelled,
    count(*) filter (where not is_test and status = 'discontinued') as n_discontinued,
    count(*) filter (where not is_test and status = 'scheduled') as n_scheduled,
    count(*) filter (where not is_test and status = 'deleted') as n_deleted
from (
    select
        is_test,
        status,
        not is_test and status = 'completed' as counts,
        modality in ('CT', 'fluoroscopy') as ionising,
        coalesce(kap_gycm2, air_kerma_mgy, dlp_mgycm, ctdi_vol_mgy, ssde_mgy, dose_mgy)
            is not null as dosed,
        ($operators::varchar[] is null or list_contains($operators::varchar[], operator))
            and ($age_low::double is null or age_years >= $age_low::double)
            and ($age_high::double is null or age_years < $age_high::double)
            and ($bmi_low::double is null or bmi >= $bmi_low::double)
            and ($bmi_high::double is null or bmi < $bmi_high::double) as chosen
    from procedure
    where ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($from_date::date is null or performed_on >= $from_date::date)
        and ($to_date::date is null or performed_on <= $to_date::date)
        and ($modalities::varchar[] is null or list_contains($modalities::varchar[], modality))
        and ($procedures::varchar[] is null
            or list_contains($procedures::varchar[], coalesce(procedure_code, 'unmapped')))
        and ($sites::varchar[] is null or list_contains($sites::varchar[], site))
        and ($rooms::varchar[] is null or list_contains($rooms::varchar[], room))
)
