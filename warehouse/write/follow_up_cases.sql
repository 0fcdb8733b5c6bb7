-- How many cases have follow-ups to be placed. Grain: one row.
select count(*) as cases from follow_up_key;
