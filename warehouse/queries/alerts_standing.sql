-- Which cases with alerts the runs bear on. Grain: at most one row a key. Parameters: scope; runs;
-- sites, accessions, days, devices, starts, modalities (as for alerts_ids); of_patients: not only
-- cases of the runs but all of their patients. place is the position in the lists.
-- Roles: system.
with asked as (
    select
        unnest(range(len($sites::varchar[]))) as place,
        unnest($sites::varchar[]) as site,
        unnest($accessions::varchar[]) as accession_number,
        unnest($days::date[]) as performed_on,
        unnest($devices::varchar[]) as device,
        unnest($starts::timestamp[]) as procedure_start_at,
        unnest($modalities::varchar[]) as modality
),

written as (
    select distinct hash(patient_key) as patient_key
    from procedure
    where run_id in (select unnest($runs::varchar[])) and patient_key is not null
        and modality in ('CT', 'fluoroscopy')
)

select distinct a.place
from asked a
join procedure p on p.site = a.site and p.performed_on = a.performed_on
    and p.accession_number is not distinct from a.accession_number
where (a.accession_number is not null or (
        p.modality = a.modality and coalesce(p.device, '') = coalesce(a.device, '')
        and date_trunc('second', p.procedure_start_at)
            is not distinct from date_trunc('second', a.procedure_start_at)))
    and (
        list_contains($runs::varchar[], p.run_id)
        or ($of_patients::boolean and hash(p.patient_key) in (select patient_key from written))
    )
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
order by a.place
