-- What became of the reports of each file of a batch. Grain: one row per file.
select
    r.staged_file,
    count(*) as reports,
    count(*) filter (t.is_first) as inserted,
    count(*) filter (t.report_no is not null and not t.is_first) as updated,
    count(*) filter (t.report_no is null) as duplicate
from report_input r
left join new_report n on n.report_uid = r.report_uid and n.staged_file = r.staged_file
    and n.source_line = r.source_line
left join report_target t using (report_no)
group by r.staged_file;
