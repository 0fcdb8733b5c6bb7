-- What became of the rows of one file of follow-ups.
select
    count(*) as n,
    count(*) filter (verdict = 'insert') as inserted,
    count(*) filter (verdict = 'updated') as updated,
    count(*) filter (verdict in ('unchanged', 'older')) as unchanged,
    count(*) filter (verdict = 'duplicate') as duplicate,
    count(*) filter (verdict = 'contradiction') as rejected
from follow_up_verdict;
