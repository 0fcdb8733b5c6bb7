-- First words of a new warehouse.
insert into meta (schema_version, created_at, time_zone, key_fingerprint)
values ($version, now(), $time_zone, $key_fingerprint);
