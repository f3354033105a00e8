"""Products: the types that devices are of, with their settings, their release status and their tags."""
