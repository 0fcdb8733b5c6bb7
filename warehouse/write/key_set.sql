-- Remember the key of a warehouse that was made before fingerprints were kept.
update meta set key_fingerprint = $key_fingerprint where key_fingerprint is null;
