-- What the run inserted or touched. Parameters: $base (highest procedure_id before the run).
create or replace temp table changed as
select *
from procedure
semi join (
    select procedure_id from procedure where procedure_id > $base
    union
    from touched
) using (procedure_id);
