-- Whether any dose report is held. Grain: one row.
select count(*) > 0 as held from dose_report;
