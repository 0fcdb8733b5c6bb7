-- Which schema a warehouse has. Grain: one row. No parameters.
select schema_version from meta
