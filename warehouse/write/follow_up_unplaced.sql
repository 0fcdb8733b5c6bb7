-- Follow-ups that are kept and not counted, by why. Parameters: $run_id: of those brought by this run.
select state, count(*) as n, count(*) filter (run_id = $run_id) as n_new
from follow_up
where state in ('waiting', 'ambiguous', 'outside', 'scale', 'beside')
group by state
order by state;
