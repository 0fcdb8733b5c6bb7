-- Median of one dose index in logs, and its spread (1.4826 MAD), over all cases of a modality.
-- Grain: modality. Parameters: scope; runs; quantity.
-- Roles: system.
with
-- include: counted_cases
,

measured as (
    select
        modality,
-- include: ruled_quantity
        as value
    from counted
)

select
    modality,
    median(ln(value)) as "_median",
    1.482602218505602 * mad(ln(value)) as "_sd"
from measured
where value > 0 and isfinite(value)
group by modality
order by modality
