-- What the run inserted or touched. Parameters: $base (highest procedure_id before the run).
-- View twice: keys of these that two procedures have.
create or replace temp table changed_row as
select *
from procedure
semi join (
    select procedure_id from procedure where procedure_id > $base
    union
    from touched
) using (procedure_id);

create or replace temp view changed as from changed_row;

create or replace temp view twice as
with written as (
    select distinct
        site, accession_number, performed_on,
        if(accession_number is null, device, null) as device,
        if(accession_number is null, procedure_start_at, null) as procedure_start_at,
        if(accession_number is null, modality, null) as modality,
    from changed
)
select p.site, p.accession_number
from procedure p
semi join written w on w.site = p.site and w.accession_number = p.accession_number
where p.accession_number is not null
group by p.site, p.accession_number, p.performed_on
having count(*) > 1
union all
select p.site, null
from procedure p
where p.accession_number is null
group by
    p.site, p.device, p.modality,
    coalesce(date_trunc('second', p.procedure_start_at), p.performed_on::timestamp)
having count(*) > 1;
