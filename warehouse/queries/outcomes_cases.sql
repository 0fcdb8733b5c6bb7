-- The cases with a complication, the newest first.
-- Grain: one row per procedure; at most $most.
-- Parameters: filters, scope, most.
with
-- include: filtered

select
    procedure_id,
    performed_on,
    modality,
    coalesce(procedure_code, 'unmapped') as "procedure",
    room,
    complications,
    complication_scale
from filtered
where complications <> 'none'
order by performed_on desc, procedure_id desc
limit $most::bigint
