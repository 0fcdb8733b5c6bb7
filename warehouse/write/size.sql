-- Bytes that the file of the open warehouse has at least. Grain: one row.
select block_size * (total_blocks - free_blocks) as bytes from pragma_database_size();
