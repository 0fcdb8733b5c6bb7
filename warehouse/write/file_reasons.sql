-- Rules that the rejected rows of one file broke. Grain: one row per rejected row.
select rules from rejected_row where source_file_id = $source_file_id;
