from collections.abc import AsyncIterator

import pytest

from tests.scripts.support import PHP
from thingplane.scripts.process import Worker


@pytest.fixture
async def worker() -> AsyncIterator[Worker]:
    worker = Worker(PHP)
    yield worker
    await worker.close()
