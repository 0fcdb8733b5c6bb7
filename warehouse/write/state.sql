-- Where a warehouse stands. Grain: one row.
select
    (select coalesce(max(procedure_id), 0) from procedure) as last_procedure_id,
    (select count(*) from procedure) as procedures,
    (select coalesce(max(source_file_id), 0) from source_file) as last_source_file_id;
