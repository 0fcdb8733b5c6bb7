-- Make a new warehouse file in clear beside the open one. Parameters: $path.
attach $path as fresh;
