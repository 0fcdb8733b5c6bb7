-- What needs attention besides changes. Grain: one row.
-- Parameters: filters, scope. Rejected rows and unmapped names are of the whole warehouse; rows
-- without a site are counted for readers of all sites only.
-- KAP over air kerma is a field area; outside 10 to 1600 cm² one of the two units is wrong.
-- Roles: manager, physician, rso.
with
-- include: filtered
,

shown as (
    select
        count(*) filter (where procedure_code is null) as n_unmapped,
        count(*) filter (where dose_mgy is not null and dose_index = 'unspecified')
            as n_unspecified,
        count(*) filter (
            where kap_gycm2 > 0 and air_kerma_mgy > 0
                and kap_gycm2 * 1000 / air_kerma_mgy not between 10 and 1600
        ) as n_unit_doubt
    from filtered
),

refused as (
    select count(*) as n_rejected
    from rejected_row
    where resolved_by_run is null
        and ($scope_sites::varchar[] is null or list_contains($scope_sites::varchar[], site))
)

select shown.*, refused.* from shown, refused
