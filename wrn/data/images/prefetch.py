"""Compute results in threads, before they are needed."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

_END = object()
_CHUNK = 8  # items per task, since submitting a task for each small image takes too long

Item = TypeVar('Item')
Result = TypeVar('Result')


def prefetch(
    function: Callable[[Item], Result], items: Iterable[Item], workers: int, ahead: int
) -> Iterator[Result]:
    """Apply a function to items in threads, and yield the results in the order of the items.

    Decoding and resizing release the GIL, so threads run them in parallel with each other and with
    the network. Unlike processes, threads do not copy pixels.

    Args:
        function: Computes the result for an item.
        items: The items, which are taken only as far as ``ahead``.
        workers: The number of threads. With 0, each result is computed when it is needed.
        ahead: The number of items to process ahead.

    Yields:
        The result for each item.
    """
    if workers == 0:
        yield from map(function, items)
        return
    items = iter(items)
    size = min(_CHUNK, -(-ahead // workers))
    chunks = iter(lambda: list(islice(items, size)), [])
    pool = ThreadPoolExecutor(workers, thread_name_prefix='wrn-images')

    def process(chunk: list[Item]) -> list[Result]:
        return [function(item) for item in chunk]

    try:
        pending: deque[Future[list[Result]]] = deque(
            pool.submit(process, chunk) for chunk in islice(chunks, -(-ahead // size))
        )
        while pending:
            results = pending.popleft().result()
            pending.extend(pool.submit(process, chunk) for chunk in islice(chunks, 1))
            yield from results
    finally:
        pool.shutdown(cancel_futures=True)


def in_background(items: Iterator[Item]) -> Iterator[Item]:
    """Yield items, and compute the next one in a thread while the last one is used."""
    pool = ThreadPoolExecutor(1, thread_name_prefix='wrn-batches')
    try:
        following: Future[Any] = pool.submit(next, items, _END)
        while (item := following.result()) is not _END:
            following = pool.submit(next, items, _END)
            yield item
    finally:
        pool.shutdown(cancel_futures=True)
