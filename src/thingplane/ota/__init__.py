"""OTA: which versions of which firmware modules devices run."""
