"""Search for devices with SQL-like statements (QueryDeviceBySQL): fields of devices, tags, groups, OTA modules."""
