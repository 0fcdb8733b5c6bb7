-- Warnings that procedures were loaded with. Grain: flag. Parameters: filters and scope.
-- Cancelled, test and withdrawn procedures count too (so not parts/filtered.sql): a flag says something of
-- the source.
-- Roles: rso.
with seen as not materialized (
    select procedure_id, performed_on, flags
    from procedure
    where len(flags) > 0
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
        and ($from_date::date is null or performed_on >= $from_date::date)
        and ($to_date::date is null or performed_on <= $to_date::date)
        and ($modalities::varchar[] is null or list_contains($modalities::varchar[], modality))
        and ($procedures::varchar[] is null
            or list_contains($procedures::varchar[], coalesce(procedure_code, 'unmapped')))
        and ($sites::varchar[] is null or list_contains($sites::varchar[], site))
        and ($rooms::varchar[] is null or list_contains($rooms::varchar[], room))
        and ($operators::varchar[] is null or list_contains($operators::varchar[], operator))
        and ($age_low::double is null or age_years >= $age_low::double)
        and ($age_high::double is null or age_years < $age_high::double)
        and ($bmi_low::double is null or bmi >= $bmi_low::double)
        and ($bmi_high::double is null or bmi < $bmi_high::double)
)

select
    flag, count(*) as n, min(performed_on) as first_on, max(performed_on) as last_on,
    max(procedure_id) as example_id
from (select unnest(flags) as flag, performed_on, procedure_id from seen)
group by flag
order by n desc, flag
