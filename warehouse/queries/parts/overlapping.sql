-- overlapping: cases that entered a room before an earlier case of that day had left it.
-- Grain: one row per such case. All cases of the scope's rooms count, whatever the filters: the case
-- in the way may be anyone's. The window runs over a hash of the room-day and whole numbers, which
-- is six times faster than over names.
overlapping as materialized (
    select procedure_id
    from (
        select
            procedure_id,
            entered < max(left_at) over (
                partition by room_day order by entered, procedure_id
                rows between unbounded preceding and 1 preceding
            ) as inside
        from (
            select
                procedure_id,
                hash(site, room, performed_on) as room_day,
                epoch_us(room_in_at) as entered,
                epoch_us(room_out_at) as left_at
            from procedure
            where not is_test
                and status in ('completed', 'discontinued')
                and room is not null
                and room_in_at is not null
                and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
                and ($from_date::date is null or performed_on >= $from_date::date)
                and ($to_date::date is null or performed_on <= $to_date::date)
        )
    )
    where inside
)
