"""Device shadows: what devices last reported and what applications want of them, also while devices are offline."""
