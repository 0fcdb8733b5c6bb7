-- The hash of re-keyed log rows of procedures with a dose report. Parameters: $parquet (as a staged file).
update procedure_part p set row_hash = i.row_hash
from incoming($parquet) i
where i.procedure_id = p.procedure_id and p.part = 'log';
