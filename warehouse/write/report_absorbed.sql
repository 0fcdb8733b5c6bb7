-- Procedures that were taken into another. Grain: one row.
select count(*) as absorbed from absorbed;
