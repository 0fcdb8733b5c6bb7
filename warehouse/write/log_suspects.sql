-- How many rows need a closer look. Grain: one row.
select (select count(*) from crowded) + (select count(*) from known) as suspects;
