"""Data-parsing scripts (JavaScript, Python, PHP) in processes that can compute and nothing else.

The node talks to a few worker processes (``pool``, ``process``). A worker never sees a script: for every product it
forks a *guest*, which gives up everything but memory, CPU time and one socket to the node (``sandbox``), and only then
reads the product's script and its messages from that socket (``guest``). So a script that escapes its language still
has no files, no network, no processes, and no trace of another product's data.

Modules that guests use import the standard library only, and as little of it as possible: they are copied by each fork.
"""
