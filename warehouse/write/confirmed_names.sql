-- Give procedures the code that a person confirmed for their name, in the name as sent. Table
-- confirmed_input: name, procedure_code, procedure_family, region. Grain: one row, how many changed.
create or replace temp table renamed as
select p.procedure_id, c.procedure_code, c.procedure_family, c.region
from procedure p
join confirmed_input c on c.name = p.procedure_name
where p.procedure_code is distinct from c.procedure_code;

update procedure p
set procedure_code = r.procedure_code, procedure_family = r.procedure_family, region = r.region
from renamed r
where r.procedure_id = p.procedure_id;

insert into touched select procedure_id from renamed;

select count(*) from renamed;
