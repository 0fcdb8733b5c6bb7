-- Schema version of a warehouse. Grain: one row.
select schema_version from meta;
