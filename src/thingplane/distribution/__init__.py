"""Distribution: products become known, and devices go, from one instance of the platform to another."""
