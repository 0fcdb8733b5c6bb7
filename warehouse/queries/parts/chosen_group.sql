    -- The group and the stratum that the reader chose; null leaves a record out or strata undivided.
    case $group_by::varchar
        when 'modality' then modality
        when 'procedure' then coalesce(procedure_code, 'unmapped')
        when 'site' then site
        when 'room' then room
        when 'operator' then operator
        when 'device' then device
        when 'sex' then sex
        when 'trainee' then case when trainee then 'trainee' when not trainee then 'no trainee' end
        when 'year' then year(performed_on)::varchar
    end as "group",
    case $stratum::varchar when 'procedure' then coalesce(procedure_code, 'unmapped') end
        as stratum,
