"""Write heat maps into a folder."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from wrn.inference.explained_images import ExplainedClass
from wrn.jobs.class_sheet import draw_sheet, name_class
from wrn.jobs.outputs import make_folder
from wrn.results.drawing_files import name_drawing, write_drawing, write_map
from wrn.results.record import HeatMap, Record
from wrn_base.errors import WrnError


class HeatMapFolder:
    """A folder for the heat maps of images. File names say the position of an image in the inputs.

    Args:
        option: The option that names the folder, for messages.
        folder: The folder, which is created.
        inputs: The inputs of the command.
        overwrite: Whether to replace files that exist.
        resumes: Whether the files are from an interrupted run that is resumed. Defaults to False.

    Attributes:
        is_used: Whether the first file was begun. Starts as False.
        written: The number of images whose heat maps were written. Starts at 0.
        drawn: The number of maps that were written. Starts at 0.
        blank: The number of those without a positive value, by the label and name of the class.

    Raises:
        WrnError: If the folder cannot be written to, is among the images, or has files that may not
            be replaced.
    """

    def __init__(
        self,
        option: str,
        folder: str,
        inputs: Iterable[str],
        overwrite: bool,
        resumes: bool = False,
    ) -> None:
        self.path = Path(folder)
        self.is_used = False
        self.written = self.drawn = 0
        self.blank: Counter[tuple[int, str]] = Counter()
        for name in inputs:
            if Path(name).is_dir() and self.path.resolve().is_relative_to(Path(name).resolve()):
                raise WrnError(
                    f'{option} {folder}: is among the images of {name}, where heat maps would be '
                    'taken for images; choose a folder elsewhere'
                )
        make_folder(option, folder)
        self._overwrite = overwrite or resumes
        if not self._overwrite and any(self.path.iterdir()):
            raise WrnError(
                f'{option} {folder}: has files; add --overwrite to replace those of the same '
                'names, or choose another folder'
            )

    def write_overlay(self, number: int, image: str, explained: ExplainedClass) -> str:
        """Write the overlay of the most probable class.

        Args:
            number: The position of the image in the inputs.
            image: The path of the image.
            explained: The class.

        Returns:
            The path of the file, ``FOLDER/NUMBER-NAME.png``.
        """
        self.is_used = True
        path = self.path / f'{name_drawing(number, image)}.png'
        write_drawing(path, explained['overlay'], self._overwrite)
        self.written += 1
        self._count(explained)
        return str(path)

    def write_all(
        self, number: int, image: str, pixels: np.ndarray, classes: Sequence[ExplainedClass]
    ) -> Record:
        """Write the overlay and the raw map of each class, and a sheet if there are several.

        Args:
            number: The position of the image in the inputs.
            image: The path of the image.
            pixels: The image as the network sees it.
            classes: The classes.

        Returns:
            The names of the files, which are ``NUMBER-NAME-classLABEL.png`` and ``.npy``, and
            ``NUMBER-NAME-sheet.png``, with the classes and their probabilities.
        """
        self.is_used = True
        begin = name_drawing(number, image)
        files: list[HeatMap] = []
        for one in classes:
            name = f'{begin}-class{one["pred_label"]}'
            drawing, raw_map = f'{name}.png', f'{name}.npy'
            write_drawing(self.path / drawing, one['overlay'], self._overwrite)
            write_map(self.path / raw_map, one['raw_map'], self._overwrite)
            written = HeatMap(
                pred_label=one['pred_label'], pred_score=one['pred_score'],
                is_blank=one['is_blank'], overlay=drawing, raw_map=raw_map,
            )  # fmt: skip
            if 'pred_class' in one:
                written['pred_class'] = one['pred_class']
            files.append(written)
            self._count(one)
        self.written += 1
        record = Record(heat_maps=files)
        if len(classes) > 1:
            record['sheet'] = f'{begin}-sheet.png'
            write_drawing(self.path / record['sheet'], draw_sheet(pixels, classes), self._overwrite)
        return record

    def _count(self, one: ExplainedClass) -> None:
        self.drawn += 1
        if one['is_blank']:
            self.blank[one['pred_label'], name_class(one)] += 1
