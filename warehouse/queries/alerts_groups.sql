-- The kinds of case that the outlier rules know, and how many of each month are to be judged.
-- Grain: kind of case and month. Parameters: scope; runs (their cases are judged).
-- Roles: system.
with
-- include: counted_cases

select
    case_group,
    any_value(modality) as modality,
    any_value(procedure_code) as procedure_code,
    any_value(size_band) as size_band,
    any_value(child) as child,
    date_trunc('month', performed_on)::date as month,
    count(*) filter (judged) as judged
from counted
group by case_group, date_trunc('month', performed_on)
order by case_group, month
