-- Files whose own name was a patient's, under the name that was kept. Parameters: $mark.
select sha256, any_value(path) from source_file where contains(path, $mark) group by sha256;
