-- What the run inserted or touched. Parameters: $base (highest procedure_id before the run).
create or replace temp table changed_row as
select *
from procedure
semi join (
    select procedure_id from procedure where procedure_id > $base
    union
    from touched
) using (procedure_id);

create or replace temp view changed as from changed_row;
