-- Procedure names that no synonym covers, the most frequent first. Grain: name. Parameters: most.
-- Roles: rso; all sites.
select name, count, suggestions, count(*) over () as n_names, sum(count) over () as n_procedures
from unmapped_name
order by count desc, name
limit $most::bigint
