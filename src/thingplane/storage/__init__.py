"""Where things stay: metadata tables, device history and the lock of the data directory."""
