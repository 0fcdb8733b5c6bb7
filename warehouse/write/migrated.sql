-- A migration was carried out.
update meta set schema_version = $version;
