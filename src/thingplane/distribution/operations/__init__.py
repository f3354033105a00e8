"""Operations of distribution, and what their requests and answers have in common.

The guide has no sections for them. What they take, return and limit is what the vendor's SDK says.
"""

from typing import Annotated, Final, TypeAlias

from thingplane.cloud import Context, Field
from thingplane.cloud.errors import INVALID_PAGE_PARAMS
from thingplane.distribution import errors

PageParameter: TypeAlias = Annotated[int, Field(minimum=1, invalid=INVALID_PAGE_PARAMS)]
PageSizeParameter: TypeAlias = Annotated[int, Field(minimum=1, maximum=200, invalid=INVALID_PAGE_PARAMS)]
TargetUidFilter: TypeAlias = Annotated[
    str | None, Field(doc="Only what was distributed to this account: all of it, or nothing.")
]
DEFAULT_PAGE_SIZE: Final = 20


def check_account(ctx: Context, *accounts: str | None) -> None:
    """Check that whoever is to get something is the caller's own account, or nobody is named.

    Raises:
        BusinessError: iot.provisioning.TargetAccountParamsError, iot.provisioning.NotCrossTenantId.
    """
    named = {account for account in accounts if account}
    if len(named) > 1:
        raise errors.TARGET_ACCOUNT_PARAMS_ERROR()
    if named - {ctx.caller.account_id}:
        raise errors.NOT_CROSS_TENANT_ID()


def is_foreign(ctx: Context, account: str | None) -> bool:
    """Tell whether a filter names another account, to which nothing is ever distributed."""
    return bool(account) and account != ctx.caller.account_id
