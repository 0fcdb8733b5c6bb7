-- Bytes that were read before; with $retry without those that were refused, whole or in part, and
-- without archives that hold such.
select distinct sha256
from source_file s
where not (
    $retry
    and (
        status <> 'loaded'
        or exists (
            select 1 from source_file m
            where m.status <> 'loaded' and starts_with(m.path, s.path || '!')
        )
    )
);
