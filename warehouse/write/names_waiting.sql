-- Procedures that wait for a confirmed name's code. Grain: one row. Parameters: $names, $codes.
select count(*) as waiting
from procedure
where
    list_contains($names::varchar[], procedure_name)
    and procedure_code is distinct from ($codes::varchar[])[list_position($names::varchar[], procedure_name)];
