-- Values as they were sent, for the rows that stand. Table raw_value_input. Parameters: $source_file_id.
create or replace temp table line_of as
select procedure_id, source_line from procedure where source_file_id = $source_file_id
union
select procedure_id, source_line from procedure_part where source_file_id = $source_file_id;

delete from raw_value
where source <> 'log, set aside'
    and (procedure_id, source) in (
        select l.procedure_id, v.source
        from raw_value_input v
        join line_of l using (source_line)
        semi join touched t using (procedure_id)
        where v.source <> 'report'
    );

insert into raw_value by name
select l.procedure_id, v.field, v.text, v.unit, v.source
from raw_value_input v
join line_of l using (source_line);
