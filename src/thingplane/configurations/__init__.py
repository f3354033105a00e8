"""Remote configuration: JSON files of products, which devices fetch or are pushed (device-protocol reference, 8.2)."""
