"""Running rules: each is a subscriber of the log of forwarded messages, with a worker that takes what is due to it."""
