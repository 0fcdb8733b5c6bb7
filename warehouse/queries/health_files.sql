-- The latest source files. Grain: file. Parameters: most. n_files counts all; times are UTC.
-- Roles: rso; all sites.
select
    path, kind, profile, status, bytes, source_at at time zone 'UTC' as source_at,
    arrived_at at time zone 'UTC' as arrived_at, read, inserted, updated, unchanged, duplicate,
    rejected, message, count(*) over () as n_files
from source_file
order by source_file.arrived_at desc, path
limit $most::bigint
