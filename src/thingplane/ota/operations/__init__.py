"""Cloud API operations of OTA (guide: 4.17)."""

from typing import Annotated, Final, TypeAlias

from thingplane.cloud import Context, Field, Struct
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.ota import errors
from thingplane.ota.job import Job
from thingplane.ota.ota import OtaService
from thingplane.ota.package import Package
from thingplane.ota.task import State
from thingplane.products.errors import INVALID_FORMATTED_PRODUCT_KEY, NULL_PRODUCT_KEY
from thingplane.products.service import Product, ProductService

VERSION: Final = r"[A-Za-z0-9._-]{1,64}"
MODULE: Final = VERSION

FirmwareIdParameter: TypeAlias = Annotated[str, Field(empty=errors.NULL_FIRMWARE_ID)]
JobIdParameter: TypeAlias = Annotated[str, Field(empty=errors.NULL_JOB_ID)]
ProductKeyParameter: TypeAlias = Annotated[
    str, Field(empty=NULL_PRODUCT_KEY, invalid=INVALID_FORMATTED_PRODUCT_KEY, pattern=r"[A-Za-z0-9]{1,20}")
]
CurrentPageParameter: TypeAlias = Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)]

STATES: Final = {state.name: state for state in State}


class TagInfo(Struct):
    Key: str
    Value: str


class TagInfos(Struct):
    OtaTagDTO: list[TagInfo]


def tags_of(job: Job) -> TagInfos:
    """Return the tags of a batch as answers show them."""
    return TagInfos(OtaTagDTO=[TagInfo(Key=key, Value=value) for key, value in job.strategy.tags.items()])


def job_type(job: Job) -> str:
    """Return JobType, spelled as documented."""
    return "VERFIY_FIRMWARE" if job.kind == "VERIFY" else "UPGRADE_FIRMWARE"


def selection_type(job: Job) -> str:
    """Return SelectionType."""
    return "DYNAMIC" if job.kind == "DYNAMIC" else "STATIC"


def page_count(total: int, size: int) -> int:
    """Return how many pages of a size hold everything."""
    return -(-total // size)


async def the_product(ctx: Context, product_key: str) -> Product:
    """Return the product that a call names.

    Raises:
        BusinessError: iot.prod.NullProductKey, iot.prod.NotExistedProduct.
    """
    return await ctx.service(ProductService).get(ctx.instance.id, product_key)


async def the_package(ctx: Context, firmware_id: str) -> Package:
    """Return the package that a call names.

    Raises:
        BusinessError: iot.firmware.NullFirmwareId, iot.firmware.FirmwareNotFound.
    """
    return await ctx.service(OtaService).packages.get(ctx.instance.id, firmware_id)


async def the_job(ctx: Context, job_id: str) -> Job:
    """Return the batch that a call names.

    Raises:
        BusinessError: iot.firmware.NullOTAJobId, iot.firmware.InvalidOTAJobId.
    """
    return await ctx.service(OtaService).jobs.get(ctx.instance.id, job_id)


async def product_keys(ctx: Context, packages: list[Package]) -> dict[int | None, tuple[str | None, str | None]]:
    """Return ProductKey and name of the products of packages, by the products' keys; None: of every product."""
    found: dict[int | None, tuple[str | None, str | None]] = {None: (None, None)}
    for package in packages:
        if package.product_id is not None and package.product_id not in found:
            product = await ctx.service(ProductService).by_id(package.product_id)
            found[package.product_id] = (None, None) if product is None else (product.product_key, product.name)
    return found
