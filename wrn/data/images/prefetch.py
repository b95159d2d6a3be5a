"""Prepare pictures in threads, ahead of who uses them."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

_END = object()
_CHUNK = 8  # items to hand to a thread at a time: of small pictures, handing over takes a while

Item = TypeVar('Item')
Result = TypeVar('Result')


def prefetch(
    prepare: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Iterator[Result]:
    """Prepare items one after the other, in order, some ahead of those that are asked for.

    Decoding and resizing leave Python's lock, so threads do them at the same time, and that of the
    network; unlike processes they need not send pixels.

    Args:
        prepare: What to do with an item.
        items: The items, of which no more are taken than are prepared ahead.
        workers: The number of threads; with 0 nothing is prepared ahead.
        ahead: How many items to prepare ahead.

    Yields:
        The result of each.
    """
    if workers == 0:
        yield from map(prepare, items)
        return
    items = iter(items)
    size = min(_CHUNK, -(-ahead // workers))
    chunks = iter(lambda: list(islice(items, size)), [])
    pool = ThreadPoolExecutor(workers, thread_name_prefix='wrn-pictures')

    def prepare_all(chunk: list[Item]) -> list[Result]:
        return [prepare(item) for item in chunk]

    try:
        pending: deque[Future[list[Result]]] = deque(
            pool.submit(prepare_all, chunk) for chunk in islice(chunks, -(-ahead // size))
        )
        while pending:
            results = pending.popleft().result()
            pending.extend(pool.submit(prepare_all, chunk) for chunk in islice(chunks, 1))
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def in_background(items: Iterator[Item]) -> Iterator[Item]:
    """Let a thread make the next item while the last one is used.

    Args:
        items: The items.

    Yields:
        Each.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix='wrn-batches')
    try:
        following: Future[Any] = pool.submit(next, items, _END)
        while (item := following.result()) is not _END:
            following = pool.submit(next, items, _END)
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
