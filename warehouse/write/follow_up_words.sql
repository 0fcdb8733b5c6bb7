-- What the placed follow-ups say of the procedures in recombine, one column a value.
create or replace temp table follow_up_word as
select
    procedure_id,
    any_value(placed_scale) filter (measure = 'pain') as pain_scale,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = 'baseline') as pain_baseline,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = '15min') as pain_15min,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = '1wk') as pain_1wk,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = '2wk') as pain_2wk,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = '1mo') as pain_1mo,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = '2mo') as pain_2mo,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = '3mo') as pain_3mo,
    any_value(placed_score) filter (measure = 'pain' and placed_timepoint = '6mo') as pain_6mo,
    any_value(placed_score) filter (measure = 'odi' and placed_timepoint = 'baseline') as odi_baseline,
    any_value(placed_score) filter (measure = 'odi' and placed_timepoint = '1wk') as odi_1wk,
    any_value(placed_score) filter (measure = 'odi' and placed_timepoint = '2wk') as odi_2wk,
    any_value(placed_score) filter (measure = 'odi' and placed_timepoint = '1mo') as odi_1mo,
    any_value(placed_score) filter (measure = 'odi' and placed_timepoint = '2mo') as odi_2mo,
    any_value(placed_score) filter (measure = 'odi' and placed_timepoint = '3mo') as odi_3mo,
    any_value(placed_score) filter (measure = 'odi' and placed_timepoint = '6mo') as odi_6mo,
    any_value(placed_score) filter (measure = 'ndi' and placed_timepoint = 'baseline') as ndi_baseline,
    any_value(placed_score) filter (measure = 'ndi' and placed_timepoint = '1wk') as ndi_1wk,
    any_value(placed_score) filter (measure = 'ndi' and placed_timepoint = '2wk') as ndi_2wk,
    any_value(placed_score) filter (measure = 'ndi' and placed_timepoint = '1mo') as ndi_1mo,
    any_value(placed_score) filter (measure = 'ndi' and placed_timepoint = '2mo') as ndi_2mo,
    any_value(placed_score) filter (measure = 'ndi' and placed_timepoint = '3mo') as ndi_3mo,
    any_value(placed_score) filter (measure = 'ndi' and placed_timepoint = '6mo') as ndi_6mo,
    any_value(placed_score) filter (measure = 'satisfaction')::tinyint as satisfaction,
    -- A statement without a moment is of the whole case; one with a moment adds to it.
    any_value(terms) filter (
        measure = 'complications' and coalesce(placed_timepoint, measured_on::varchar) is null
    ) as all_terms,
    string_agg(terms, '|') filter (
        measure = 'complications' and coalesce(placed_timepoint, measured_on::varchar) is not null
    ) as added_terms,
    any_value(placed_scale) filter (measure = 'complications') as complication_scale
from follow_up
where state = 'placed' and procedure_id in (from recombine)
group by procedure_id;

create or replace temp macro together(one, two) as
    coalesce(
        nullif(
            array_to_string(
                list_filter(
                    list_sort(list_distinct(string_split(concat_ws('|', one, two), '|'))),
                    lambda term: term not in ('none', '')
                ),
                '|'
            ),
            ''
        ),
        if(coalesce(one, two) is null, null, 'none')
    );
