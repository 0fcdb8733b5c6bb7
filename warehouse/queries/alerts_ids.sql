-- The number in this warehouse of cases named by their natural key. Grain: at most one row a key.
-- Parameters: scope; sites, accessions, days, devices, starts, modalities (lists of equal length:
-- parts of the key, null where the case has none). place is the position in the lists.
-- Roles: physician, rso.
with asked as (
    select
        unnest(range(len($sites::varchar[]))) as place,
        unnest($sites::varchar[]) as site,
        unnest($accessions::varchar[]) as accession_number,
        unnest($days::date[]) as performed_on,
        unnest($devices::varchar[]) as device,
        unnest($starts::timestamp[]) as procedure_start_at,
        unnest($modalities::varchar[]) as modality
)

select a.place, min(p.procedure_id) as procedure_id
from asked a
join procedure p on p.site = a.site and p.performed_on = a.performed_on
    and p.accession_number is not distinct from a.accession_number
where (a.accession_number is not null or (
        p.modality = a.modality and coalesce(p.device, '') = coalesce(a.device, '')
        and date_trunc('second', p.procedure_start_at)
            is not distinct from date_trunc('second', a.procedure_start_at)))
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], p.site))
    and ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], p.operator))
group by a.place
order by a.place
