-- From now on the warehouse is what a name without more means, for later cursors too. Parameters: none.
use warehouse;
detach memory;
