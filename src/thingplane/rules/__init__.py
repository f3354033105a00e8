"""Rules: SQL over what devices say, and the actions that send its results to topics, consumer groups and databases.

``sql/`` compiles the two clauses of a rule, ``actions/`` reads the configurations of actions, ``destinations/`` is
where results go, ``runtime/`` takes the running rules' messages from the log of forwarded messages.
"""
