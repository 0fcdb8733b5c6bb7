-- Write the warehouse anew: what was deleted stays readable in a file's free blocks. Database fresh.
copy from database warehouse to fresh;
detach fresh;
