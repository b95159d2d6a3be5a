"""The queue of the application: batches, bounds, cancelled requests, and its end."""

import asyncio
import threading
from contextlib import asynccontextmanager, suppress

import pytest

from wrn.app.batch_queue import BatchQueue
from wrn.app.refusal import Refusal


@asynccontextmanager
async def running(queue):
    task = asyncio.create_task(queue.run())
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def make(batch_size=4, capacity=8, gate=None):
    batches = []

    def double(items):
        batches.append(list(items))
        if gate:
            assert gate.wait(30)
        for item in items:
            yield ValueError('odd') if item % 2 else 2 * item

    return BatchQueue(double, batch_size, capacity), batches


async def until(happens):
    async def wait():
        while not happens():
            await asyncio.sleep(0.001)

    await asyncio.wait_for(wait(), 30)


def test_items_of_several_requests_share_batches_and_each_gets_its_own_result():
    async def main():
        queue, batches = make()
        async with running(queue):
            results = await asyncio.gather(*(queue.submit([2 * i]) for i in range(8)))
        assert results == [[4 * i] for i in range(8)]
        assert [len(batch) for batch in batches] == [4, 4]

    asyncio.run(main())


def test_one_item_fails_alone():
    async def main():
        queue, _ = make()
        async with running(queue):
            first, second, third = await queue.submit([2, 3, 4])
        assert (first, third) == (4, 8)
        assert str(second) == 'odd'

    asyncio.run(main())


def test_an_error_of_the_batch_is_the_result_of_all_and_the_queue_goes_on():
    async def main():
        def fail_once(items):
            if 'bad' in items:
                raise MemoryError('too large')
            return items

        queue = BatchQueue(fail_once, 4, 8)
        async with running(queue):
            failed = await queue.submit(['good', 'bad'])
            assert [str(error) for error in failed] == ['too large', 'too large']
            assert await queue.submit(['good']) == ['good']

    asyncio.run(main())


def test_a_full_queue_refuses_all_items_of_a_request():
    async def main():
        gate = threading.Event()
        queue, batches = make(batch_size=1, capacity=2, gate=gate)
        async with running(queue):
            first = asyncio.create_task(queue.submit([0]))
            await until(lambda: batches)
            second = asyncio.create_task(queue.submit([2]))
            await asyncio.sleep(0)
            refused = pytest.raises(Refusal, match='images that wait: 1 of at most 2; send')
            with refused as caught, queue.reserve(2):
                pass
            assert caught.value.status == 429
            assert caught.value.headers == {'Retry-After': '1'}
            gate.set()
            assert await first == [0]
            assert await second == [4]
        assert batches == [[0], [2]]

    asyncio.run(main())


def test_a_cancelled_request_frees_its_place_and_is_not_computed():
    async def main():
        gate = threading.Event()
        queue, batches = make(batch_size=1, capacity=1, gate=gate)
        async with running(queue):
            first = asyncio.create_task(queue.submit([0]))
            await until(lambda: batches)
            gone = asyncio.create_task(queue.submit([2]))
            await asyncio.sleep(0)
            gone.cancel()
            await asyncio.sleep(0)
            kept = asyncio.create_task(queue.submit([4]))
            await asyncio.sleep(0)
            gate.set()
            assert await first == [0]
            assert await kept == [8]
        assert batches == [[0], [4]]

    asyncio.run(main())


def test_closing_finishes_what_waits_and_refuses_what_comes():
    async def main():
        queue, _ = make()
        async with running(queue):
            waiting = asyncio.create_task(queue.submit([2, 4]))
            await asyncio.sleep(0)
            await queue.close(30)
            assert await waiting == [4, 8]
            with pytest.raises(Refusal, match='stopping') as caught:
                await queue.submit([2])
            assert caught.value.status == 503

    asyncio.run(main())


@pytest.mark.parametrize('ends', ['closed', 'cancelled'])
def test_what_cannot_be_finished_is_refused(ends):
    async def main():
        gate = threading.Event()
        queue, batches = make(batch_size=1, gate=gate)
        async with running(queue) as task:
            waiting = asyncio.create_task(queue.submit([0, 2]))
            await until(lambda: batches)
            if ends == 'closed':
                await queue.close(0)
            else:
                task.cancel()
            results = await asyncio.wait_for(waiting, 30)
            assert [result.status for result in results] == [503, 503]
            gate.set()

    asyncio.run(main())
