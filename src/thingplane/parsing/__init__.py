"""Data parsing: a product's script turns its devices' own bytes into Alink messages, and back.

Products with a data format of their own have one script each. It runs for ``thing/model/up_raw`` and ``down_raw``, for
the replies to both, and for messages on custom topics that ask for it with ``?_sn=default``.
"""
