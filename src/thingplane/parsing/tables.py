"""Table of data-parsing scripts."""

from sqlalchemy import BigInteger, Column, ForeignKey, String, Table, Text

from thingplane.storage.database import metadata

thing_scripts = Table(
    "thing_scripts",
    metadata,
    Column(
        "product_id", BigInteger, ForeignKey("products.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    # As the cloud API names it: JavaScript, Python_27, PHP_72.
    Column("language", String(16), nullable=False),
    Column("content", Text, nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
"""At most one script per product. Times are epoch milliseconds."""
