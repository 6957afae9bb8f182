"""The processes beside the workbench."""

import asyncio
import os
import time

import pytest

from schemas.errors import UserError
from streams.workbench.engine import Engine


def test_closing_ends_what_is_under_way() -> None:
    """Whoever ends the workbench waits for no lint."""

    async def closed_at_work() -> None:
        engine = Engine()
        await engine.thorough(os.getpid)  # its process is there
        slow = asyncio.ensure_future(engine.thorough(time.sleep, 600))
        await asyncio.sleep(0.5)
        engine.close()
        with pytest.raises((UserError, asyncio.CancelledError)):
            await slow

    asyncio.run(closed_at_work())
