-- Write the warehouse anew: what was deleted stays readable in a file's free blocks. Parameters: $path.
attach $path as fresh;
copy from database warehouse to fresh;
detach fresh;
