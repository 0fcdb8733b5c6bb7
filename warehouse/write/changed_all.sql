-- What the run wrote into an empty warehouse: everything. View twice: keys that two procedures have, found by
-- a hash first, which is cheaper by far.
create or replace temp view changed as from procedure;

create or replace temp macro procedure_key(site, accession_number, performed_on, device, started, modality) as
    if(
        accession_number is null,
        hash(site, device, modality, coalesce(date_trunc('second', started), performed_on::timestamp)),
        hash(site, accession_number, performed_on)
    );

create or replace temp view twice as
with keyed as (
    select
        site, accession_number, performed_on, device, procedure_start_at, modality,
        procedure_key(site, accession_number, performed_on, device, procedure_start_at, modality) as key_hash
    from procedure
),
crowded as (
    select key_hash from keyed group by key_hash having count(*) > 1
)
select site, accession_number
from keyed
semi join crowded using (key_hash)
group by
    site, accession_number,
    if(accession_number is null, null, performed_on),
    if(accession_number is null, device, null),
    if(accession_number is null, modality, null),
    if(
        accession_number is null,
        coalesce(date_trunc('second', procedure_start_at), performed_on::timestamp),
        null
    )
having count(*) > 1;
