"""What tests share: a clock to set, databases to throw away."""
