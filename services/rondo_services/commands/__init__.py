"""Commands of `rondo` that answer texts from the command line, from files and from pipes."""
