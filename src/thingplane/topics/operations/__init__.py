"""Cloud API operations of topic categories and of routes between topics (guide: 4.12)."""
