"""Standard categories: ready-made thing models that new products start from (guide 4.10.7, 4.10.8).

Each ``.toml`` file beside this module holds the categories of one field; ``notation`` says how they are written. A file
that is added is found by itself.
"""
