-- measured: completed cases and their value of the dose index that $quantity names, as narrow as can be.
measured as (
    select
        case_group, kind, performed_on,
-- include: ruled_quantity
        as value
    from counted
    where status = 'completed' and procedure_code is not null
)
