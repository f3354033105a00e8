"""What a product is, what is told when it changes, and what a new one starts from."""

from typing import Literal, TypeAlias

import msgspec

ProductStatus: TypeAlias = Literal["DEVELOPMENT_STATUS", "RELEASE_STATUS"]

CUSTOM_CATEGORY = "CustomCategory"
"""Device type that messages of products without a category carry (data formats: deviceType)."""


class NewProduct(msgspec.Struct, frozen=True, kw_only=True):
    """What the creator of a product decides (guide 4.7.1, CreateProduct)."""

    name: str
    """4 to 30 letters, digits, underscores; letters outside ASCII count as two."""
    node_type: int
    """0 device, 1 gateway."""
    data_format: int | None = None
    """0 custom (raw bytes), 1 Alink JSON; None for a basic product whose creator named none."""
    senior: bool = False
    """True for a product with a thing model (AliyunCommodityCode iothub_senior), False for a basic one (iothub)."""
    description: str | None = None
    auth_type: str = "secret"
    id2: bool = False
    protocol_type: str | None = None
    """How sub-devices reach their gateway: modbus, opc-ua, customize, ble, zigbee; None for direct devices."""
    net_type: str = "WIFI"
    """WIFI, CELLULAR, ETHERNET or OTHER."""
    validate_type: int = 1
    """How posts are checked against the thing model: 0 all of it, 1 identifiers and data types only, 2 not at all."""
    publish_auto: bool = True
    """Whether the thing model is published when the product is created."""
    category_key: str | None = None
    category_name: str | None = None
    resource_group_id: str | None = None


class Product(NewProduct, frozen=True, kw_only=True):
    """A product as it is now. Values are never changed; a change makes another one."""

    id: int
    instance_id: int
    product_key: str
    product_secret: str
    status: ProductStatus
    dynamic_register: bool
    """Whether devices may fetch their secret with the product's (one secret per product)."""
    filter_by_timestamp: bool
    """Whether forwarded property messages are deduplicated by timestamp (guide 4.7.11)."""
    filter_by_value: bool
    """The same by value; with both set, a duplicate is one that repeats timestamp and value."""
    created_at: int
    """Epoch milliseconds."""
    source_id: int | None = None
    """The product that this one is a copy of, in another instance; None for one that was created here."""

    @property
    def released(self) -> bool:
        """True between ReleaseProduct and CancelReleaseProduct: its thing model must not be edited."""
        return self.status == "RELEASE_STATUS"

    @property
    def commodity_code(self) -> str:
        """AliyunCommodityCode: the edition."""
        return "iothub_senior" if self.senior else "iothub"

    @property
    def device_type(self) -> str:
        """Category in forwarded messages."""
        return self.category_key or CUSTOM_CATEGORY

    def __repr__(self) -> str:
        # The generated one would print the secret.
        return f"Product({self.product_key!r}, name={self.name!r})"


class ProductChanged(msgspec.Struct, frozen=True):
    """A product was created or changed."""

    product_id: int
    product_key: str


class ProductsChanged(msgspec.Struct, frozen=True):
    """Another process has changed products; which ones is not known."""


class ProductDeleted(msgspec.Struct, frozen=True):
    """A product and everything that hung on it are gone."""

    product_id: int
    product_key: str
