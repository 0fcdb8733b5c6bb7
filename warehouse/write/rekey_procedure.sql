-- The hash of re-keyed procedures. Parameters: $parquet (they as a staged file).
update procedure p set row_hash = i.row_hash from incoming($parquet) i where i.procedure_id = p.procedure_id;
