-- Open an encrypted warehouse file, or make one (AES-256-GCM). Parameters: $path, $read_only, $key.
attach $path as warehouse (read_only $read_only, encryption_key $key);
