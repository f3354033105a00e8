"""QueryConsumerGroupStatus and ResetConsumerGroupPosition."""

from thingplane.cloud import Context, Request, Response, Struct, operation
from thingplane.cloud.times import utc
from thingplane.subscriptions.operations import GroupIdParameter
from thingplane.subscriptions.service import SubscriptionService


class QueryConsumerGroupStatusRequest(Request):
    GroupId: GroupIdParameter


class ConsumerGroupClientConnectionInfo(Struct):
    AccumulatedConsumeCountPerMinute: int
    ClientId: str
    ClientIpPort: str
    OnlineTime: int
    RealTimeConsumeCountPerMinute: int


class ClientConnectionStatuses(Struct):
    ConsumerGroupClientConnectionInfo: list[ConsumerGroupClientConnectionInfo]


class QueryConsumerGroupStatusResponse(Response):
    AccumulatedConsumeCountPerMinute: int
    AccumulationCount: int
    ClientConnectionStatusList: ClientConnectionStatuses
    ConsumerSpeed: int
    LastConsumerTime: str | None = None
    RealTimeConsumeCountPerMinute: int


@operation(qps=5)
async def QueryConsumerGroupStatus(
    ctx: Context, req: QueryConsumerGroupStatusRequest
) -> QueryConsumerGroupStatusResponse:
    status = await ctx.service(SubscriptionService).status(ctx.instance.id, req.GroupId)
    return QueryConsumerGroupStatusResponse(
        AccumulatedConsumeCountPerMinute=status.backlog_per_minute,
        AccumulationCount=status.backlog,
        ClientConnectionStatusList=ClientConnectionStatuses(
            ConsumerGroupClientConnectionInfo=[
                ConsumerGroupClientConnectionInfo(
                    AccumulatedConsumeCountPerMinute=client.backlog_per_minute,
                    ClientId=client.client_id,
                    ClientIpPort=client.address,
                    OnlineTime=client.online_at,
                    RealTimeConsumeCountPerMinute=client.realtime_per_minute,
                )
                for client in status.clients
            ]
        ),
        ConsumerSpeed=status.realtime_per_minute + status.backlog_per_minute,
        LastConsumerTime=utc(status.last_consumed_at),
        RealTimeConsumeCountPerMinute=status.realtime_per_minute,
    )


class ResetConsumerGroupPositionRequest(Request):
    GroupId: GroupIdParameter


class ResetConsumerGroupPositionResponse(Response):
    pass


@operation(qps=5)
async def ResetConsumerGroupPosition(
    ctx: Context, req: ResetConsumerGroupPositionRequest
) -> ResetConsumerGroupPositionResponse:
    await ctx.service(SubscriptionService).reset(ctx.instance.id, req.GroupId)
    return ResetConsumerGroupPositionResponse()
