-- filtered: the procedures that count in statistics and that the filter bar selects.
-- Grain: one row per procedure.
filtered as not materialized (
    select *
    from procedure
    where not is_test
        and status = 'completed'
        -- include: in_view
)
