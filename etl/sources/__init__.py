"""One reader a format; each turns a file into the same raw frame and its provenance."""
