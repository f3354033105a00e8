"""What devices report, and its history: properties, events, the calls of services, and the last value of everything."""
