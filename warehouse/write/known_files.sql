-- Bytes that were read before; with $retry without those that were refused, whole or in part.
select distinct sha256 from source_file where not ($retry and status <> 'loaded');
