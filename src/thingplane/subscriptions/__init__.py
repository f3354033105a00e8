"""Server-side subscription: which messages of which products go to which consumer groups, and their delivery."""
