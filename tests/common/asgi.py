"""ASGI applications without a server."""

from urllib.parse import urlsplit

from thingplane.cloud.http import AsgiApp, Message


async def download(app: AsgiApp, url: str, method: str = "GET") -> tuple[int, bytes]:
    """Ask an application for what is at an address, and return status and body."""
    parts = urlsplit(url)
    messages: list[Message] = []

    async def send(message: Message) -> None:
        messages.append(message)

    async def receive() -> Message:
        raise NotImplementedError

    scope = {"type": "http", "method": method, "path": parts.path, "query_string": parts.query.encode(), "headers": []}
    await app(scope, receive, send)
    return messages[0]["status"], messages[1]["body"]
