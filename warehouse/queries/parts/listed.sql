-- listed: every case of the rooms in view, whoever and whatever it was for, with the one before it.
-- Grain: one row per procedure that took place or was cancelled, of the period, sites and rooms.
-- Filters of procedure, operator, age, size and modality do not apply: a room is judged by all its
-- cases. Times are whole minutes after midnight of performed_on. Cases follow each other by room-in,
-- a cancelled one by its planned time; of those of one minute the one that leaves first goes first
-- (the lower 20 bits of follows). Names are hashed and times whole numbers: six times faster.
listed as not materialized (
    select
        *,
        max(out_min) over (
            partition by room_day order by follows
            rows between unbounded preceding and 1 preceding
        ) as before_out,
        lag(cancelled) over (partition by room_day order by follows) as after_cancelled
    from (
        select
            hash(site, room, performed_on) as room_day,
            hash(room) as room_key,
            isodow(performed_on)::tinyint as weekday,
            status = 'cancelled' as cancelled,
            status = 'completed' as completed,
            ((epoch_us(scheduled_at) - epoch_us(performed_on::timestamp)) // 60000000)::integer
                as plan_min,
            ((epoch_us(room_in_at) - epoch_us(performed_on::timestamp)) // 60000000)::integer
                as in_min,
            ((epoch_us(room_out_at) - epoch_us(performed_on::timestamp)) // 60000000)::integer
                as out_min,
            coalesce(in_min, plan_min, 99999) * 1048576::bigint + coalesce(out_min, 0) as follows
        from procedure
        where not is_test
            and status in ('completed', 'discontinued', 'cancelled')
            and room is not null
            and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
            and ($from_date::date is null or performed_on >= $from_date::date)
            and ($to_date::date is null or performed_on <= $to_date::date)
            and ($sites::varchar[] is null or list_contains($sites::varchar[], site))
            and ($rooms::varchar[] is null or list_contains($rooms::varchar[], room))
    )
)
