"""Draw names in any script, with the fonts that are installed."""

import contextlib
import logging
import warnings
from collections.abc import Iterable, Iterator

from wrn_base.errors import some

_logger = logging.getLogger('wrn')


@contextlib.contextmanager
def fonts_for(names: Iterable[str], figure: str, also: str = '') -> Iterator[None]:
    """Draw with matplotlib's usual fonts, and with others for characters that those do not have.

    Names that no installed font can draw are logged.

    Args:
        names: The names in the figure. It must be made and saved in the block.
        figure: The name of the figure, for the message.
        also: A file that has the names too, for the message. Defaults to none.
    """
    import matplotlib

    names = list(names)
    families, missing = _find_families({c for name in names for c in name if c.isprintable()})
    if missing:
        _logger.warning(
            '%s: no installed font can draw the names %s, which become numbers%s; install one, '
            'such as Noto Sans CJK',
            figure,
            some(name for name in names if missing & {*name}),
            f' ({also} has them)' if also else '',
        )
    with matplotlib.rc_context({'font.family': families}), warnings.catch_warnings():
        warnings.filterwarnings('ignore', 'Glyph .* missing from font')
        yield


def find_undrawable(characters: set[str]) -> set[str]:
    """Return the characters that none of matplotlib's current font families has.

    Args:
        characters: The characters.
    """
    import matplotlib
    from matplotlib.font_manager import FontProperties, findfont

    for family in matplotlib.rcParams['font.family']:
        if not characters:
            break
        characters = characters - _find_glyphs(
            findfont(FontProperties(family=[family])), characters
        )
    return characters


def _find_glyphs(path: str, characters: set[str]) -> set[str]:
    """Return the characters that a font has. Bitmaps, such as those of emoji, cannot be drawn."""
    from matplotlib import font_manager

    try:
        font = font_manager.get_font(path)
    except (OSError, RuntimeError):  # a damaged font
        return set()
    return {c for c in characters if font.scalable and font.get_char_index(ord(c))}


def _find_families(characters: set[str]) -> tuple[list[str], set[str]]:
    """Return families that together draw characters, and the characters that no font has."""
    import matplotlib
    from matplotlib import font_manager

    families, missing = list(matplotlib.rcParams['font.family']), characters
    usual = font_manager.findfont(font_manager.FontProperties())
    missing = characters - _find_glyphs(usual, characters)
    if not missing:
        return families, missing
    fonts = {font.name: font.fname for font in font_manager.fontManager.ttflist}
    fonts = {name: path for name, path in fonts.items() if 'Last Resort' not in name}
    # The font with the most characters first: it is the one for the script.
    for name in sorted(fonts, key=lambda name: -len(_find_glyphs(fonts[name], missing))):
        if found := _find_glyphs(fonts[name], missing):
            families.append(name)
            missing = missing - found
    return families, missing
