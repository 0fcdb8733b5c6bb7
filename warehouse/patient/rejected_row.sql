-- A patient's rejected rows. Table own_rejected.
select t.* from rejected_row t semi join own_rejected using (run_id, source_file_id, raw_text);
