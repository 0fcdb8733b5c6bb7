-- From now on this connection reaches no file or address, and nothing undoes that. Parameters: none.
set enable_external_access = false;
set lock_configuration = true;
