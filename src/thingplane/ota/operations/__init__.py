"""Cloud API operations of OTA."""
