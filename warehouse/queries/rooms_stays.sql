-- How long patients stay in the room, counted, of cases that took place.
-- Grain: one row per value (whole minutes from room in to room out); n cases.
-- Parameters: filters (period, sites, rooms), scope.
-- Roles: manager, physician, rso.
with
-- include: listed

select out_min - in_min as "value", count(*) as n
from listed
where not cancelled and out_min >= in_min
group by all
