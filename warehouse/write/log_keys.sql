-- Which rows of a staged log need a closer look: key met twice in the file, or known to the warehouse.
-- Parameters: $parquet.
create or replace temp table crowded as
with repeated as (
    select key_hash from staged($parquet) group by key_hash having count(*) > 1
)
select row_no from staged($parquet) semi join repeated using (key_hash);

create or replace temp table known as
select i.row_no, i.site, i.accession_number, p.procedure_id, p.performed_on = i.performed_on as same_day
from staged($parquet) i
join procedure p on p.site = i.site and p.accession_number = i.accession_number;

insert into known
select i.row_no, i.site, null, p.procedure_id, true
from staged($parquet) i
join procedure p
    on p.accession_number is null
    and p.site = i.site
    and p.modality = i.key_modality
    and p.device is not distinct from i.key_device
    and coalesce(date_trunc('second', p.procedure_start_at), p.performed_on::timestamp) = i.key_start
where i.accession_number is null;

insert into known
select i.row_no, i.site, null, min(p.procedure_id), true
from staged($parquet) i
anti join (from known where same_day) k using (row_no)
join procedure p
    on p.site = i.site
    and p.study_uid = i.study_uid
    and (p.accession_number is null or i.accession_number is null)
group by all;
