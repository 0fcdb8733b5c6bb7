-- Make a new encrypted warehouse file beside the open one. Parameters: $path, $key.
attach $path as fresh (encryption_key $key);
