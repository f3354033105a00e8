"""Cloud API operations of thing models (guide 4.10)."""
