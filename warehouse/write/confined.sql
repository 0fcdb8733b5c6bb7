-- From now on this connection reads and writes in its own folder alone, and nothing undoes that.
-- Parameters: $folder.
set allowed_directories = [$folder];
set enable_external_access = false;
set lock_configuration = true;
