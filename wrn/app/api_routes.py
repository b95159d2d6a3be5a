"""The HTTP interface: ``POST /api/predict`` and ``GET /api/model``."""

import asyncio
import base64
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any, TypeVar

import anyio
from fastapi import FastAPI, Request, Response
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from wrn.app.classification import Answer, Classification
from wrn.app.image_uploads import ImageUploads
from wrn.app.json_answer import JSONAnswer, refuse
from wrn.app.query import check_names, read_parameters
from wrn.app.refusal import Refusal
from wrn.data.images import EncodedImage
from wrn.results.drawing_files import encode_png

_GONE = 499  # the client hung up, so nobody reads the status
_METHODS = {'predict': 'POST', 'model': 'GET, HEAD'}

_Result = TypeVar('_Result')


def add_api(app: FastAPI, classification: Classification, about: Mapping[str, Any]) -> None:
    """Add the routes to an application.

    Args:
        app: The application.
        classification: Classifies the images.
        about: What ``/api/model`` answers.
    """
    uploads = ImageUploads(classification.limits)

    async def model(request: Request) -> Response:
        check_names(request.query_params)
        return JSONAnswer(dict(about))

    async def predict(request: Request) -> Response:
        loop, seconds = asyncio.get_running_loop(), classification.limits.seconds
        deadline = loop.time() + seconds
        topk, heatmap = read_parameters(request.query_params)
        try:
            async with AsyncExitStack() as stack:
                try:
                    with anyio.fail_after(seconds):
                        images = await stack.enter_async_context(uploads.open(request))
                except TimeoutError as error:
                    problem = 'the request came too slowly; send fewer or smaller images'
                    raise Refusal(408, problem) from error
                work = classification.classify(images, topk, heatmap)
                answers = await _unless_gone(request, work, deadline - loop.time())
                if answers is None:
                    # Other requests may be the cause, so smaller images need not help.
                    fewer = ', or fewer images' if len(images) > 1 else ''
                    cure = f'the server is busy; send the request again later{fewer}'
                    raise Refusal(504, f'no answer within {seconds:g} s: {cure}')
                if heatmap:  # to encode these takes long
                    return await asyncio.to_thread(_respond, about['model'], images, answers)
                return _respond(about['model'], images, answers)
        except ClientDisconnect:
            return Response(status_code=_GONE)

    app.add_route('/api/predict', predict, ['POST'])
    app.add_route('/api/model', model, ['GET'])  # and HEAD
    app.mount('/api', _refuse_other)

    @app.exception_handler(Refusal)
    async def reply(_: Request, refusal: Refusal) -> Response:
        return refuse(refusal)

    @app.exception_handler(Exception)
    async def fail(_: Request, error: Exception) -> Response:
        reason = f'the server failed ({type(error).__name__}); its own messages say where'
        return refuse(Refusal(500, reason))


async def _refuse_other(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse what is not a route of the interface."""
    known = 'there is only POST /api/predict and GET /api/model'
    methods = _METHODS.get(scope['path'].removeprefix('/api/'))
    raise Refusal(405, known, {'Allow': methods}) if methods else Refusal(404, known)


def _respond(model: str, images: list[EncodedImage], answers: list[Answer | Refusal]) -> JSONAnswer:
    if all(isinstance(answer, Refusal) for answer in answers):
        first = answers[0]
        assert isinstance(first, Refusal)
        raise first
    results = [
        dict(file=image.name) | _describe(answer)
        for image, answer in zip(images, answers, strict=True)
    ]
    return JSONAnswer(dict(model=model, results=results))


def _describe(answer: Answer | Refusal) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return dict(error=str(answer), status=answer.status)
    described: dict[str, Any] = {**answer.record}
    if answer.explained:
        (best,) = answer.explained.explanations
        described['heatmap'] = base64.b64encode(encode_png(best['overlay'])).decode()
    return described


async def _unless_gone(
    request: Request, work: Coroutine[Any, Any, _Result], seconds: float
) -> _Result | None:
    """Do some work, and cancel it if the client hangs up or the time is over.

    Returns:
        The result; None if the time is over.
    """
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_wait_until_gone(request))
    try:
        await asyncio.wait(
            {task, gone}, timeout=max(seconds, 0), return_when=asyncio.FIRST_COMPLETED
        )
        if task.done():
            return task.result()
        if gone.done():
            raise ClientDisconnect
        return None
    finally:
        task.cancel()
        gone.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())['type'] != 'http.disconnect':
        pass
