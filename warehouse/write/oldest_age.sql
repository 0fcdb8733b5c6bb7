-- Ages above $oldest_age are stored as 90 from now on, and those stored before too; null: as they are.
set variable oldest_age = $oldest_age::double;
update procedure set age_years = 90 where age_years > getvariable('oldest_age') and age_years <> 90;
update procedure_part set age_years = 90 where age_years > getvariable('oldest_age') and age_years <> 90;
update procedure_history set age_years = 90 where age_years > getvariable('oldest_age') and age_years <> 90;
