"""What back ends say to devices: setting properties, calling services, publishing to custom topics, and RRPC."""
