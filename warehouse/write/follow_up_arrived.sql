-- Cases with follow-ups that this run brought or changed: their follow-ups are placed anew.
-- Parameters: $base (highest procedure_id before the run).
create or replace temp table follow_up_key as
select distinct p.site, p.accession_number
from procedure p
semi join follow_up f on f.site = p.site and f.accession_number = p.accession_number
where p.procedure_id > $base or p.procedure_id in (from touched);
