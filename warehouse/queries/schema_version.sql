-- Which schema a warehouse has. Grain: one row. No parameters.
-- Roles: admin, manager, physician, rso.
select schema_version from meta
