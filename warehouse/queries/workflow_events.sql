-- The event log of at most so many procedures, for process-mining tools.
-- Grain: one row per procedure and stamp, in order of time within the procedure.
-- Parameters: filters, scope, most (procedures).
-- The case is the number in this warehouse: no identifier of a patient, a case or staff leaves.
-- Roles: rso.
with
-- include: filtered
,

drawn as materialized (
    select *
    from filtered
    qualify row_number() over (order by performed_on desc, procedure_id desc) <= $most::bigint
),

stamped as (
    select procedure_id, site, room, modality, procedure_code,
        unnest([ordered_at, arrived_at, room_in_at, procedure_start_at, procedure_end_at,
            room_out_at, report_signed_at]) as happened_at,
        unnest([1, 2, 3, 4, 5, 6, 7]) as step
    from drawn
)

select *
from stamped
where happened_at is not null
order by procedure_id, happened_at, step
