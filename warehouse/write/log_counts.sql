-- What became of the rows of one staged log. Parameters: $parquet.
select
    (select count(*) from staged($parquet)) as procedures,
    count(*) filter (verdict in ('updated', 'joined')) as updated,
    count(*) filter (verdict in ('unchanged', 'older')) as unchanged,
    count(*) filter (verdict = 'duplicate') as duplicate,
    count(*) filter (verdict = 'contradiction') as rejected
from aside;
