"""Spreading messages evenly over the clients that can take some."""

from collections.abc import Iterator, Sequence

from thingplane.subscriptions.delivery.member import CHUNK, Member


class _Seat:
    __slots__ = ("member", "room")

    def __init__(self, member: Member, room: int) -> None:
        self.member = member
        self.room = room


class Dealer:
    """Chooses the next client again and again; goes on where it stopped, so that single messages spread as well."""

    __slots__ = ("_turn",)

    def __init__(self) -> None:
        self._turn = 0

    def seats(self, members: Sequence[Member], now: float | None, share: int) -> Iterator[Member]:
        """Give clients in turn as long as any has room; whoever takes one delivers one message to it.

        Clients that let deliveries expire are left out as long as there are others.

        Args:
            members: all clients of the group.
            now: time of the monotonic clock when the real-time rate of each connection counts; None for the backlog.
            share: deliveries that each may have under way.
        """
        seats = [
            _Seat(member, room) for member in members if not member.stalled and (room := _room(member, now, share)) > 0
        ]
        if not seats and all(member.stalled for member in members):
            seats = [_Seat(member, room) for member in members if (room := _room(member, now, share)) > 0]
        turn = self._turn
        while seats:
            turn %= len(seats)
            seat = seats[turn]
            member = seat.member
            if seat.room == 0:
                seat.room = _room(member, now, share)
            if seat.room == 0 or member.gone:
                del seats[turn]
                continue
            seat.room -= 1
            turn += 1
            self._turn = turn
            if now is not None and member.tokens is not None:
                member.tokens.spend(1)
            yield member


def _room(member: Member, now: float | None, share: int) -> int:
    room = min(member.consumer.capacity(), CHUNK, share - member.in_flight)
    if now is not None and member.tokens is not None:
        room = min(room, member.tokens.available(now))
    return max(room, 0)
