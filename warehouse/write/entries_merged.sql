-- The number of the newest entry of the app that the warehouse holds. Grain: one row; 0: none.
select coalesce(max(regexp_extract(path, '-(\d+)\.jsonl$', 1)::bigint), 0) as last_id
from source_file
where kind = 'followup' and path like 'entered in the app/%';
