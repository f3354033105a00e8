"""Server-side subscription as other parts of the platform use it."""

from thingplane.subscriptions.delivery.parties import Consumer, Delivery, Membership
from thingplane.subscriptions.signing_in import GroupFull, GroupRef, Login, SignInRefused, TooManyConnects

__all__ = [
    "Consumer",
    "Delivery",
    "GroupFull",
    "GroupRef",
    "Login",
    "Membership",
    "SignInRefused",
    "SubscriptionService",
    "TooManyConnects",
]


class SubscriptionService:
    """Consumer groups, subscriptions of products, and delivery."""

    async def sign_in(self, user_name: str, password: str) -> Login:
        """Check what a client signs in with.

        Args:
            user_name: ``clientId|key=value,…|`` with authMode, signMethod, timestamp, authId, iotInstanceId and
                consumerGroupId.
            password: Base64 of the HMAC of ``authId={AccessKeyId}&timestamp={timestamp}`` by the key's secret.

        Raises:
            SignInRefused: either is wrong, or the key may not subscribe.
        """
        raise SignInRefused("no consumer groups yet")

    def join(self, login: Login, consumer: Consumer, address: str) -> Membership:
        """Let a client take part in the delivery to its group, from within this call on.

        Args:
            login: as ``sign_in`` returned it.
            consumer: the client's connection.
            address: ``ip:port`` of the client, as status queries show it.

        Raises:
            SignInRefused: group or key are gone since.
            GroupFull: the group has as many clients as it may have.
            TooManyConnects: clients of the group connected too often within a minute.
        """
        raise SignInRefused("no consumer groups yet")
