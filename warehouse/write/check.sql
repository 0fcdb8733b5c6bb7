-- What must hold before publication; a row is a broken promise. Parameters: $run_id, $before (rows of
-- procedure before the run), $inserted, $absorbed. View twice: keys that two procedures have.
select 'two procedures with one key' as promise, count(*) as broken from twice having count(*) > 0
union all
select 'a file whose counts do not balance', count(*)
from source_file
where run_id = $run_id and read <> inserted + updated + unchanged + duplicate + rejected
having count(*) > 0
union all
select 'procedures lost or added besides those inserted', abs(count(*) - ($before + $inserted - $absorbed))
from procedure
having count(*) <> $before + $inserted - $absorbed
union all
select 'complications of no procedure', count(*)
from complication c
semi join touched using (procedure_id)
anti join procedure using (procedure_id)
having count(*) > 0
union all
select 'dose reports of no procedure', count(*)
from dose_report
anti join procedure using (procedure_id)
having count(*) > 0
union all
select 'rejected rows that the counts do not name', count(*)
from (
    select f.source_file_id
    from source_file f
    left join rejected_row r using (source_file_id)
    where f.run_id = $run_id and f.status <> 'refused'
    group by f.source_file_id, f.rejected
    having count(r.source_file_id) <> f.rejected
)
having count(*) > 0;
