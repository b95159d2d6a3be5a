"""The HTTP interface: ``POST /api/predict`` and ``GET /api/model``."""

import asyncio
import base64
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Annotated, Any, TypeVar

import cv2
import numpy as np
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.requests import ClientDisconnect

from wrn.app.classification import Answer, Classification
from wrn.app.image_uploads import ImageUploads
from wrn.app.refusal import Refusal
from wrn.data.images import EncodedImage

_GONE = 499  # the client hung up, so nobody reads the status

_Result = TypeVar('_Result')


def add_api(app: FastAPI, classification: Classification, about: Mapping[str, Any]) -> None:
    """Add the routes to an application.

    Args:
        app: The application.
        classification: Classifies the images.
        about: What ``/api/model`` answers.
    """
    uploads = ImageUploads(classification.limits)

    @app.get('/api/model')
    async def model() -> Response:
        return JSONResponse(dict(about))

    @app.post('/api/predict')
    async def predict(
        request: Request, topk: Annotated[int, Query(ge=1)] = 5, heatmap: bool = False
    ) -> Response:
        loop, seconds = asyncio.get_running_loop(), classification.limits.seconds
        deadline = loop.time() + seconds
        try:
            async with AsyncExitStack() as stack:
                opened = stack.enter_async_context(uploads.open(request))
                images = await _within(opened, seconds, 408, 'the request came too slowly')
                work = classification.classify(images, topk, heatmap)
                late = f'no answer within {seconds:g} s'
                task = _unless_gone(request, work)
                answers = await _within(task, deadline - loop.time(), 504, late)
                return _respond(about['model'], images, answers)
        except ClientDisconnect:
            return Response(status_code=_GONE)

    @app.api_route('/api/{path:path}', methods=['GET', 'POST', 'PUT', 'PATCH', 'DELETE'])
    async def other(path: str) -> Response:
        known = 'POST /api/predict and GET /api/model'
        raise Refusal(405 if path in ('predict', 'model') else 404, f'there is only {known}')

    @app.exception_handler(Refusal)
    async def refuse(_: Request, refusal: Refusal) -> Response:
        return refuse_with(refusal.status, str(refusal), refusal.headers)

    @app.exception_handler(RequestValidationError)
    async def reject_parameters(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        return refuse_with(422, f'{first["loc"][-1]}: {first["msg"]}; see docs/app.md')


def refuse_with(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return the response of a request that is not served.

    Args:
        status: The HTTP status.
        sentence: What is wrong.
        headers: Further headers. Defaults to none.
    """
    return JSONResponse(dict(error=sentence), status, headers)


def encode_png(pixels: np.ndarray) -> bytes:
    """Return an image as PNG.

    Args:
        pixels: The image, ``(H, W, 3)``, RGB, uint8.
    """
    return cv2.imencode('.png', cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()


def _respond(
    model: str, images: list[EncodedImage], answers: list[Answer | Refusal]
) -> JSONResponse:
    if all(isinstance(answer, Refusal) for answer in answers):
        first = answers[0]
        assert isinstance(first, Refusal)
        raise first
    results = [
        dict(file=image.name) | _describe(answer)
        for image, answer in zip(images, answers, strict=True)
    ]
    return JSONResponse(dict(model=model, results=results))


def _describe(answer: Answer | Refusal) -> dict[str, Any]:
    if isinstance(answer, Refusal):
        return dict(error=str(answer), status=answer.status)
    described: dict[str, Any] = {**answer.record}
    if answer.explained:
        (best,) = answer.explained.explanations
        described['heatmap'] = base64.b64encode(encode_png(best['overlay'])).decode()
    return described


async def _within(
    work: Coroutine[Any, Any, _Result], seconds: float, status: int, sentence: str
) -> _Result:
    try:
        return await asyncio.wait_for(work, max(seconds, 0))
    except asyncio.TimeoutError as error:
        raise Refusal(status, f'{sentence}; send fewer or smaller images') from error


async def _unless_gone(request: Request, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Do some work, and cancel it if the client hangs up."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_wait_until_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        task.cancel()
        gone.cancel()


async def _wait_until_gone(request: Request) -> None:
    while (await request.receive())['type'] != 'http.disconnect':
        pass
