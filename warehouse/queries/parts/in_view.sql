-- in_view: conditions, what the filter bar and the reader's sites select. A null parameter leaves its filter
-- open; an age or a size band takes its lower bound in and leaves its upper bound out.
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
