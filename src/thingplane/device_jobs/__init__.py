"""Device jobs: documents that devices are given to work through, one task for each device (device-protocol, 8.7)."""
