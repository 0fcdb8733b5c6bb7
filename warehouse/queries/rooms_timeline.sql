-- One day's rooms: who was where when, by case number.
-- Grain: one row per case of the day that took place and has room-in and room-out.
-- Parameters: filters (sites, rooms), scope, day.
-- Cases of others have no number for a reader of own cases only.
-- Roles: physician, rso.
select
    case when ($scope_operators::varchar[] is null
        or list_contains($scope_operators::varchar[], operator))
        then procedure_id end as procedure_id,
    site,
    room,
    modality,
    coalesce(procedure_code, 'unmapped') as "procedure",
    status,
    scheduled_at,
    arrived_at,
    room_in_at,
    procedure_start_at,
    procedure_end_at,
    room_out_at
from procedure
where not is_test
    and status in ('completed', 'discontinued')
    and performed_on = $day::date
    and room_in_at is not null
    and room_out_at is not null
    and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
    and ($sites::varchar[] is null or list_contains($sites::varchar[], site))
    and ($rooms::varchar[] is null or list_contains($rooms::varchar[], room))
order by site, room, room_in_at
