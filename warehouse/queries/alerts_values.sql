-- Values of one dose index in a stretch of days, as narrow as can be: the distributions that cases are
-- held against are made of them. Grain: procedure with a positive value. Parameters: scope; runs;
-- quantity; since, until (days; until itself is left out).
-- Roles: system.
with
-- include: counted_cases
,

-- include: ruled_values

select *
from measured
where performed_on >= $since::date and performed_on < $until::date and value > 0 and isfinite(value)
