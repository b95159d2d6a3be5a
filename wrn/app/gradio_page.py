"""The page, by Gradio: its components and what they call."""

import asyncio
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from wrn.app import page_parts
from wrn.app.classification import Answer, Classification
from wrn.app.image_uploads import megabytes
from wrn.app.refusal import Refusal
from wrn.app.request_limits import RequestLimits
from wrn.data.images import EncodedImage
from wrn_base.errors import count, one_line
from wrn_base.terminal import printable

_TOP = 5  # classes to show
_KEPT = (60, 600)  # seconds: how often uploaded files are deleted, and how old they are then
_FONTS = ('system-ui', 'sans-serif')  # Gradio's own has no bold letters without a font of the web
_STRENGTH = "s => document.querySelectorAll('.wrn-map').forEach(map => { map.style.opacity = s })"


def add_page(
    app: FastAPI, classification: Classification, about: Mapping[str, Any], folder: str
) -> FastAPI:
    """Add the page to an application, at ``/``.

    Args:
        app: The application.
        classification: Classifies the images.
        about: What the page says of the model.
        folder: The folder of uploaded images.

    Returns:
        The application. Its ``state.events`` has the number of inputs of each event.
    """
    os.environ['GRADIO_TEMP_DIR'] = folder
    os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'  # it would ask its servers for the version
    import gradio

    page = Page(classification)
    with gradio.Blocks(
        title=printable(about['model']), analytics_enabled=False, delete_cache=_KEPT
    ) as blocks:
        gradio.HTML(page_parts.heading(about))
        with gradio.Tab('One image'):
            _add_one_image(page, classification)
        with gradio.Tab('Several images'):
            gradio.HTML(page_parts.note(_describe_limits(classification.limits, 'images')))
            files = gradio.File(
                file_count='multiple', type='filepath', label='Images', elem_id='wrn-files'
            )
            table = gradio.HTML(elem_id='wrn-table')
            # Gradio's preprocessing drops the names that files have for the user.
            files.change(
                page.show_several, [files], [table], api_visibility='private', preprocess=False
            )
        with gradio.Accordion('About this model', open=False):
            gradio.HTML(page_parts.description(about), elem_id='wrn-about')
    waiting = classification.limits.queue
    blocks.queue(api_open=False, max_size=waiting, default_concurrency_limit=waiting)
    app.state.events = {key: len(event.inputs) for key, event in blocks.fns.items() if event.fn}
    gradio.mount_gradio_app(
        app, blocks, '/', max_file_size=classification.limits.held_bytes, ssr_mode=False,
        show_error=False, run_history=False, footer_links=[], enable_monitoring=False, pwa=False,
        mcp_server=False, theme=gradio.themes.Default(font=_FONTS), css=page_parts.CSS,
    )  # fmt: skip
    _remove_edits()
    return app


def _remove_edits() -> None:
    """Remove the folder that Gradio makes for edits of a page, where it was imported first."""
    from gradio.route_utils import DEFAULT_TEMP_DIR

    with suppress(OSError):
        Path(DEFAULT_TEMP_DIR, 'vibe_edit_history').rmdir()
        Path(DEFAULT_TEMP_DIR).rmdir()  # not if it has images


def _add_one_image(page: 'Page', classification: Classification) -> None:
    """Add the components for one image to the block that is open."""
    import gradio

    reason = classification.no_heat_maps
    gradio.HTML(page_parts.note(_describe_limits(classification.limits, 'image')))
    with gradio.Row():
        with gradio.Column():
            image = gradio.Image(
                type='filepath', image_mode=None, sources=['upload', 'clipboard'], label='Image',
                elem_id='wrn-image', buttons=[], height=320,
            )  # fmt: skip
            wanted = gradio.Checkbox(
                label='Heat map', value=False, interactive=not reason, elem_id='wrn-wanted'
            )
            strength = gradio.Slider(
                0, 1, 0.5, step=0.01, label='Strength of the heat map', interactive=not reason,
                elem_id='wrn-strength', buttons=[],
            )  # fmt: skip
        with gradio.Column():
            problem = gradio.HTML(elem_id='wrn-problem')
            label = gradio.HTML(
                elem_id='wrn-label', label='Prediction', show_label=True, container=True
            )
            heat_map = gradio.HTML(page_parts.note(reason), elem_id='wrn-heat-map')
    one = ([image, wanted, strength], [problem, label, heat_map])
    for changes in (image.change, wanted.change):
        # Gradio's preprocessing opens the image, and shows no reason if it cannot.
        changes(
            page.show_one, *one, api_visibility='private', show_progress='minimal', preprocess=False
        )
    strength.input(None, [strength], js=_STRENGTH, api_visibility='private')


def _describe_limits(limits: RequestLimits, noun: str) -> str:
    """Return what may be dropped on a tab for one image or for several."""
    each = f'of at most {megabytes(limits.image_bytes)} and {limits.pixels:,} pixels'
    if noun == 'image':
        takes = f'Drop or paste an image {each}. It is kept'
    else:
        takes = (
            f'Drop up to {count(limits.queue, "image")} {each}, together at most '
            f'{megabytes(limits.held_bytes)}. They are kept'
        )
    return f'{takes} for {_KEPT[1] // 60} minutes, on the machine that this page comes from.'


class Page:
    """What the components of the page call.

    Args:
        classification: Classifies the images.
    """

    def __init__(self, classification: Classification) -> None:
        self._classification = classification

    async def show_one(
        self, uploaded: Mapping[str, Any] | None, heat_map: bool, strength: float
    ) -> tuple[str, str, str]:
        """Classify one image.

        Args:
            uploaded: The ``path`` and ``orig_name`` of the uploaded file; None if it was removed.
            heat_map: Whether to show the heat map of the best class.
            strength: The strength of the heat map, from 0 to 1.

        Returns:
            The problem, the probabilities of classes and the heat map, as HTML.
        """
        none = page_parts.note(self._classification.no_heat_maps)
        if uploaded is None:
            return '', '', none
        try:
            (answer,) = await self._classify([uploaded], heat_map)
        except Refusal as refusal:
            answer = refusal
        if isinstance(answer, Refusal):
            return page_parts.problem(str(answer)), '', none
        if answer.explained:
            none = page_parts.heat_map(answer.explained, strength)
        return '', page_parts.predictions(answer.record), none

    async def show_several(self, uploaded: list[Mapping[str, Any]] | None) -> str:
        """Classify several images, and return a table as HTML, with a link to download it.

        Args:
            uploaded: The ``path`` and ``orig_name`` of each file; None if they were removed.
        """
        if not uploaded:
            return ''
        most = self._classification.limits.queue
        if len(uploaded) > most:
            return page_parts.problem(f'{len(uploaded)} images are more than {most}; give fewer')
        try:
            answers = await self._classify(uploaded, False)
        except Refusal as refusal:
            return page_parts.problem(str(refusal))
        return page_parts.table([file['orig_name'] for file in uploaded], answers)

    async def _classify(
        self, uploaded: list[Mapping[str, Any]], heat_maps: bool
    ) -> list[Answer | Refusal]:
        limits = self._classification.limits
        images = []
        for image in uploaded:
            name = image['orig_name']
            try:
                # One byte more than allowed shows that it is too large.
                with open(image['path'], 'rb') as file:
                    images.append(EncodedImage(name, file.read(limits.image_bytes + 1)))
            except OSError as error:
                reason = f'{name}: not kept any longer ({one_line(error)}); drop it again'
                raise Refusal(410, reason) from error
        work = self._classification.classify(images, _TOP, heat_maps)
        try:
            return await asyncio.wait_for(work, limits.seconds)
        except asyncio.TimeoutError as error:
            reason = f'no answer within {limits.seconds:g} s; try again later'
            raise Refusal(504, reason) from error
