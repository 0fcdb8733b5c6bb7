-- The paths of stamps: which stamps a case has, and in which order.
-- Grain: one row per path; n procedures, median and P90 minutes from first to last stamp of arrival,
-- room in, needle in, needle out, room out, report (the order, days before, is in the path only).
-- Parameters: filters, scope.
-- Nearly all cases have their stamps in order: their path is a number of seven bits, and only the
-- others are sorted one by one.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

stamped as not materialized (
    select
        ordered_at as t1, arrived_at as t2, room_in_at as t3, procedure_start_at as t4,
        procedure_end_at as t5, room_out_at as t6, report_signed_at as t7,
        (t1 is not null)::integer + 2 * (t2 is not null)::integer + 4 * (t3 is not null)::integer
        + 8 * (t4 is not null)::integer + 16 * (t5 is not null)::integer
        + 32 * (t6 is not null)::integer + 64 * (t7 is not null)::integer as present,
        (epoch_us(greatest(t2, t3, t4, t5, t6, t7)) - epoch_us(least(t2, t3, t4, t5, t6, t7)))
        // 60000000 as lasted,
        coalesce(t2, t1) >= coalesce(t1, t2) is not false
        and coalesce(t3, t2, t1) >= coalesce(t2, t1, t3) is not false
        and coalesce(t4, t3, t2, t1) >= coalesce(t3, t2, t1, t4) is not false
        and coalesce(t5, t4, t3, t2, t1) >= coalesce(t4, t3, t2, t1, t5) is not false
        and coalesce(t6, t5, t4, t3, t2, t1) >= coalesce(t5, t4, t3, t2, t1, t6) is not false
        and coalesce(t7, t6, t5, t4, t3, t2, t1) >= coalesce(t6, t5, t4, t3, t2, t1, t7) is not false
            as in_order
    from filtered
),

paths as (
    select present, null::integer[] as sorted, lasted
    from stamped
    where in_order
    union all
    select
        present,
        list_transform(
            list_sort(list_filter(
                [
                    {'at': t1, 'step': 1}, {'at': t2, 'step': 2}, {'at': t3, 'step': 3},
                    {'at': t4, 'step': 4}, {'at': t5, 'step': 5}, {'at': t6, 'step': 6},
                    {'at': t7, 'step': 7}
                ],
                lambda stamp: stamp.at is not null
            )),
            lambda stamp: stamp.step
        ),
        lasted
    from stamped
    where not in_order
)

select
    present,
    sorted,
    count(*) as n,
    quantile_cont(lasted, 0.5)::double as median_min,
    quantile_cont(lasted, 0.9)::double as p90_min
from paths
group by all
