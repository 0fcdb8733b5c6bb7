-- Fingerprint of the key that a warehouse was made with. Grain: one row.
select key_fingerprint from meta;
