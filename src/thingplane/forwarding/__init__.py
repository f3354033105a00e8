"""The durable log of forwarded messages: all that devices say and that can leave the platform, and who waits for it.

A message is written once, in the same commit as the history of what it reports, with the subscribers it is due to.
Consumer groups, rules and tables of topic routes are subscribers: each acknowledges on its own, and what is
acknowledged by all is dropped.
"""
