"""Device groups: trees of named groups within an instance, the devices in them, and their tags."""
