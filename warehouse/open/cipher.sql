-- OpenSSL's cipher and random numbers, from the signed extension in a local folder. Parameters: none.
load httpfs;
