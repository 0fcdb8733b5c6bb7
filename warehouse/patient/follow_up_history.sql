-- A patient's rows of table follow_up_history: placed on a case, or of its accession number. Table own.
select t.* replace (source_at::varchar as source_at, superseded_at::varchar as superseded_at)
from follow_up_history t
where procedure_id in (select procedure_id from own)
    or exists (
        select 1 from own o where o.site = t.site and o.accession_number = t.accession_number
    );
