"""What an operator sees of a node: log lines and metrics."""
