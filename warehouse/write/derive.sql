-- Tables that follow from procedure, for what this run inserted or touched (changed).
delete from complication where procedure_id in (from touched);

insert into complication
select
    procedure_id,
    trim(split_part(entry, ':', 1)) as term,
    nullif(trim(split_part(entry, ':', 2)), '') as grade,
    complication_scale as scale
from (
    select procedure_id, complication_scale, unnest(string_split(complications, '|')) as entry
    from changed
    where complications is not null
);

delete from outcome where procedure_id in (from touched);

insert into outcome
select procedure_id, 'pain' as scale, 'baseline' as timepoint, pain_baseline as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_baseline is not null
union all
select procedure_id, 'pain' as scale, '15min' as timepoint, pain_15min as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_15min is not null
union all
select procedure_id, 'pain' as scale, '1wk' as timepoint, pain_1wk as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_1wk is not null
union all
select procedure_id, 'pain' as scale, '2wk' as timepoint, pain_2wk as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_2wk is not null
union all
select procedure_id, 'pain' as scale, '1mo' as timepoint, pain_1mo as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_1mo is not null
union all
select procedure_id, 'pain' as scale, '2mo' as timepoint, pain_2mo as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_2mo is not null
union all
select procedure_id, 'pain' as scale, '3mo' as timepoint, pain_3mo as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_3mo is not null
union all
select procedure_id, 'pain' as scale, '6mo' as timepoint, pain_6mo as value, if(pain_scale = 'VAS 0-100', 100, 10) as scale_max
from changed where pain_6mo is not null
union all
select procedure_id, 'odi' as scale, 'baseline' as timepoint, odi_baseline as value, 100 as scale_max
from changed where odi_baseline is not null
union all
select procedure_id, 'odi' as scale, '1wk' as timepoint, odi_1wk as value, 100 as scale_max
from changed where odi_1wk is not null
union all
select procedure_id, 'odi' as scale, '2wk' as timepoint, odi_2wk as value, 100 as scale_max
from changed where odi_2wk is not null
union all
select procedure_id, 'odi' as scale, '1mo' as timepoint, odi_1mo as value, 100 as scale_max
from changed where odi_1mo is not null
union all
select procedure_id, 'odi' as scale, '2mo' as timepoint, odi_2mo as value, 100 as scale_max
from changed where odi_2mo is not null
union all
select procedure_id, 'odi' as scale, '3mo' as timepoint, odi_3mo as value, 100 as scale_max
from changed where odi_3mo is not null
union all
select procedure_id, 'odi' as scale, '6mo' as timepoint, odi_6mo as value, 100 as scale_max
from changed where odi_6mo is not null
union all
select procedure_id, 'ndi' as scale, 'baseline' as timepoint, ndi_baseline as value, 100 as scale_max
from changed where ndi_baseline is not null
union all
select procedure_id, 'ndi' as scale, '1wk' as timepoint, ndi_1wk as value, 100 as scale_max
from changed where ndi_1wk is not null
union all
select procedure_id, 'ndi' as scale, '2wk' as timepoint, ndi_2wk as value, 100 as scale_max
from changed where ndi_2wk is not null
union all
select procedure_id, 'ndi' as scale, '1mo' as timepoint, ndi_1mo as value, 100 as scale_max
from changed where ndi_1mo is not null
union all
select procedure_id, 'ndi' as scale, '2mo' as timepoint, ndi_2mo as value, 100 as scale_max
from changed where ndi_2mo is not null
union all
select procedure_id, 'ndi' as scale, '3mo' as timepoint, ndi_3mo as value, 100 as scale_max
from changed where ndi_3mo is not null
union all
select procedure_id, 'ndi' as scale, '6mo' as timepoint, ndi_6mo as value, 100 as scale_max
from changed where ndi_6mo is not null;
