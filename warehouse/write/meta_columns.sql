-- Columns of table meta, which differ by schema version. Grain: one row.
select list(column_name) as columns from duckdb_columns() where table_name = 'meta';
