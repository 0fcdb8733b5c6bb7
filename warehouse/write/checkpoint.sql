-- Bring all that was committed into the file itself; fails where closing would be silent.
force checkpoint;
