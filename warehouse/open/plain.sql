-- Open a warehouse file in clear. Parameters: $path, $read_only.
attach $path as warehouse (read_only $read_only);
