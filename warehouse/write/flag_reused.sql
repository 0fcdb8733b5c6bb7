-- Mark the procedures whose accession number stands on more than one date. Table reused.
update procedure p
set flags = list_append(p.flags, 'accession_reused')
from (select distinct site, accession_number from reused) r
where p.site = r.site
    and p.accession_number = r.accession_number
    and not list_contains(p.flags, 'accession_reused');
