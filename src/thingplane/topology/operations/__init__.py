"""Cloud API operations of topological relationships (guide: 4.8.21 and 4.8.26 to 4.8.29)."""
