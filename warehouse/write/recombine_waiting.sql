-- Procedures to compute from their parts. Grain: one row.
select count(*) as waiting from recombine;
