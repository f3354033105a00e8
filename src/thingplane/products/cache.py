"""Products in memory: by their ids, by their keys, and by their keys in an instance."""

from thingplane.products.product import Product


class ProductCache:
    """The products in use. Originals are found by their key alone; copies share it with them."""

    def __init__(self) -> None:
        """Start empty."""
        self._by_id: dict[int, Product] = {}
        self._originals: dict[str, Product] = {}
        self._placed: dict[tuple[int, str], Product] = {}

    def by_id(self, product_id: int) -> Product | None:
        """Return the product with this id."""
        return self._by_id.get(product_id)

    def find(self, product_key: str, instance_id: int | None) -> Product | None:
        """Return the product with this key in an instance; None: the original."""
        if instance_id is None:
            return self._originals.get(product_key)
        return self._placed.get((instance_id, product_key))

    def keep(self, product: Product) -> None:
        """Keep a product in memory."""
        self._by_id[product.id] = product
        self._placed[product.instance_id, product.product_key] = product
        if product.source_id is None:
            self._originals[product.product_key] = product

    def drop(self, product_id: int) -> None:
        """Forget a product that has changed."""
        product = self._by_id.pop(product_id, None)
        if product is not None:
            del self._placed[product.instance_id, product.product_key]
            if product.source_id is None:
                del self._originals[product.product_key]

    def clear(self) -> None:
        """Forget everything."""
        self._by_id.clear()
        self._originals.clear()
        self._placed.clear()
