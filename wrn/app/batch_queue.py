"""Compute the items of many requests in batches, in one thread."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Generic, TypeAlias, TypeVar

from wrn.app.refusal import Refusal, too_busy

_WAIT = 0.004  # seconds that an item waits for others if the batch is not full

_Item = TypeVar('_Item')
_Result = TypeVar('_Result')
_Pair: TypeAlias = 'tuple[_Item, asyncio.Future[_Result | Exception]]'


class BatchQueue(Generic[_Item, _Result]):
    """A bounded queue, whose items are computed in batches.

    The work is done in one thread, since torch has a pool of threads for each thread that calls it.
    Items whose request was cancelled are left out of the batches.

    Args:
        compute: Returns a result or an exception for each item of a batch, in order. What it raises
            is the result of all items.
        batch_size: The largest number of items in a batch.
        capacity: The largest number of items that wait.
    """

    def __init__(
        self,
        compute: Callable[[list[_Item]], Iterable[_Result | Exception]],
        batch_size: int,
        capacity: int,
    ) -> None:
        self._compute = compute
        self._batch_size, self._capacity = batch_size, capacity
        self._waiting: deque[_Pair[_Item, _Result]] = deque()
        self._batch: list[_Pair[_Item, _Result]] = []  # that is computed now
        self._changed = asyncio.Condition()
        self._thread = ThreadPoolExecutor(1, 'wrn-app')
        self._prepared = 0  # the number of items for which a place is reserved
        self._closed = self._ended = False

    @contextmanager
    def reserve(self, number: int) -> Iterator[None]:
        """Reserve places in the queue during the block, in which items are prepared.

        Args:
            number: The number of items.

        Raises:
            Refusal: If so many do not fit into the queue now (429), or it is closed (503).
        """
        if self._closed:
            raise _stopping()
        self._drop_cancelled()
        taken = len(self._waiting) + self._prepared
        if taken + number > self._capacity:
            raise too_busy(f'images that wait: {taken} of at most {self._capacity}')
        self._prepared += number
        try:
            yield
        finally:
            self._prepared -= number

    async def submit(self, items: Sequence[_Item]) -> list[_Result | Exception]:
        """Compute items, together with those of other requests.

        Args:
            items: The items, for which places were reserved until now.

        Returns:
            A result or an exception for each item, in order.

        Raises:
            Refusal: If the queue has ended (503).
        """
        if self._ended:
            raise _stopping()
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in items]
        self._waiting.extend(zip(items, futures, strict=True))
        async with self._changed:
            self._changed.notify_all()
        return await asyncio.gather(*futures)

    async def run(self) -> None:
        """Compute batches until the task is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                await self._wait_for(1)
                with suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._wait_for(self._batch_size), _WAIT)
                self._drop_cancelled()
                number = min(self._batch_size, len(self._waiting))
                self._batch = [self._waiting.popleft() for _ in range(number)]
                items = [item for item, _ in self._batch]
                results = await loop.run_in_executor(self._thread, self._compute_all, items)
                for (_, future), result in zip(self._batch, results, strict=True):
                    if not future.done():
                        future.set_result(result)
                self._batch = []
        finally:
            self._closed = True
            self._refuse_waiting()
            self._thread.shutdown(wait=False)

    async def close(self, seconds: float) -> None:
        """Take no more items, finish those that wait, and refuse what is left.

        Args:
            seconds: The longest time to finish items for.
        """
        self._closed = True
        deadline = asyncio.get_running_loop().time() + seconds
        while self._is_busy() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.02)
        self._refuse_waiting()

    def _is_busy(self) -> bool:
        return bool(self._waiting or self._batch or self._prepared)

    def _compute_all(self, items: list[_Item]) -> list[_Result | Exception]:
        try:
            return list(self._compute(items))
        except Exception as error:
            return [error] * len(items)

    async def _wait_for(self, number: int) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._waiting) >= number)

    def _drop_cancelled(self) -> None:
        self._waiting = deque(pair for pair in self._waiting if not pair[1].done())

    def _refuse_waiting(self) -> None:
        self._ended = True
        left = [*self._batch, *self._waiting]
        self._waiting.clear()
        for _, future in left:
            if not future.done():
                future.set_result(_stopping())


def _stopping() -> Refusal:
    return Refusal(503, 'the server is stopping; send the request again when it runs')
