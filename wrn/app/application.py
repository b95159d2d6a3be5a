"""Put the page and the HTTP interface of a model together."""

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI
from mmengine.model import BaseModel

from wrn.app.about_model import describe_model, index_facts
from wrn.app.api_routes import add_api
from wrn.app.classification import Classification
from wrn.app.gradio_page import add_page
from wrn.app.host_check import HostCheck
from wrn.app.page_guard import PageGuard
from wrn.app.request_limits import DEFAULT_LIMITS, RequestLimits
from wrn.inference.predictor import Predictor


def make_app(
    model: BaseModel,
    name: str,
    *,
    batch_size: int = 8,
    limits: RequestLimits = DEFAULT_LIMITS,
    facts: Mapping[str, Any] | None = None,
    hosts: Sequence[str] = (),
) -> FastAPI:
    """Make the application of a model: a page at ``/``, and ``/api/predict``.

    Any ASGI server can run it, in one process.

    Args:
        model: A model with its config, such as one from :func:`wrn.get_model`.
        name: The name of the model, for people.
        batch_size: The largest number of images to run at a time. Defaults to 8.
        limits: What a request may ask for. Defaults to :data:`DEFAULT_LIMITS`.
        facts: What else is known of the model, such as its provenance, by name. Defaults to None:
            what the model index says of it.
        hosts: The names by which clients reach the server, besides ``localhost`` and IP addresses.
            Requests that name another host are refused. Defaults to none.

    Returns:
        The application. Its ``state.queue`` is the queue of images.

    Raises:
        WrnError: If the model has no config, or a config whose preprocessing does not work.
    """
    predictor = Predictor(model)
    classification = Classification(predictor, limits, batch_size)
    known = index_facts(model) if facts is None else facts
    about = describe_model(predictor, name, limits, known)
    about['heatmaps'] = classification.no_heat_maps or 'yes'
    # A signal that ends the process while this loads must leave no folder, so the server makes it.
    folder = os.path.join(tempfile.gettempdir(), f'wrn-app-{secrets.token_hex(8)}')

    @asynccontextmanager
    async def run_queue(_: FastAPI) -> AsyncIterator[None]:
        os.mkdir(folder, 0o700)  # fails if someone else has made it
        task = asyncio.create_task(classification.queue.run())
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            classification.close()
            shutil.rmtree(folder, ignore_errors=True)

    # The pages of FastAPI's documentation load scripts from another host.
    app = FastAPI(lifespan=run_queue, docs_url=None, redoc_url=None, openapi_url=None)
    app.state.queue = classification.queue
    add_api(app, classification, about)
    add_page(app, classification, about, folder)
    app.add_middleware(PageGuard, limits=limits, folder=folder, events=app.state.events)
    app.add_middleware(HostCheck, hosts=hosts)
    return app
