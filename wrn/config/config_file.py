"""Read configs from files, and from the text that a checkpoint contains."""

import ast
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from mmengine.config import Config

from wrn.config.config_errors import config_errors
from wrn.config.config_parts import check_types, get_test_dataset
from wrn.config.data_config import DATA_SUFFIXES, check_data_config, reject_irregular
from wrn_base import model_index
from wrn_base.errors import WrnError, did_you_mean

# The key that our loaders of checkpoints give to ``meta['cfg']``, which mmengine could run.
HIDDEN_CONFIG = 'config_text'
CONFIG_SUFFIXES = ('.py', *DATA_SUFFIXES)
_OTHERS = {'mmdet': 'mmdetection', 'mmseg': 'mmsegmentation'}


def read_config(path: str | PathLike[str]) -> Config:
    """Read a config file.

    Args:
        path: The path of the file. If it does not exist, a shipped config is looked up by the path
            ``configs/wrn/NAME.py``, or by ``NAME``.

    Returns:
        The config with its ``_base_`` files merged in.

    Raises:
        WrnError: If the file does not exist, is not a valid config, is one of mmdetection or
            mmsegmentation, or is a JSON or YAML file that names code to run.
    """
    found = path if Path(path).is_file() else model_index.find_config(str(path))
    if found is None:
        reject_irregular(path)
        paths = model_index.root().glob('configs/wrn/*.py')
        known = [str(file.relative_to(model_index.root())) for file in paths]
        known += map(str, Path(path).parent.glob('*.py'))
        hint = did_you_mean(str(path), known, '; give the path of a .py config')
        raise WrnError(f'{path}: no such config file{hint}')
    with config_errors(found):
        if is_data := Path(found).suffix in DATA_SUFFIXES:
            check_data_config(Path(found))
        # Variables could make other values of a file than those that were checked.
        config = Config.fromfile(
            found,
            use_predefined_variables=not is_data,
            use_environment_variables=not is_data,
        )
        check_types(config)
    if (scope := config.get('default_scope')) in _OTHERS:
        raise WrnError(
            f"{path}: default_scope is '{scope}', and this package runs image classifiers; run the "
            f'config with the tools of {_OTHERS[scope]}'
        )
    return config


def parse_config(text: str) -> Config:
    """Parse the config text of a checkpoint. mmengine would run it as code.

    Args:
        text: The output of mmengine's ``Config.pretty_text``: assignments of plain values.

    Raises:
        ValueError: If the text contains anything else.
        SyntaxError: If the text is not Python.
    """

    def value(node: ast.AST) -> Any:
        match node:
            case ast.Call(ast.Name('dict'), [ast.Dict() as items], []):  # keys such as '0.weight'
                return value(items)
            case ast.Call(ast.Name('dict'), [], keywords) if all(k.arg for k in keywords):
                return {str(keyword.arg): value(keyword.value) for keyword in keywords}
            case ast.Dict(keys=keys, values=values) if all(keys):
                return {value(k): value(v) for k, v in zip(keys, values, strict=True) if k}
            case ast.List(elts=items):
                return [value(item) for item in items]
            case ast.Tuple(elts=items):
                return tuple(value(item) for item in items)
            case _:
                return ast.literal_eval(node)

    values = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(name)], value=node):
                values[name] = value(node)
            case _:
                raise ValueError
    return Config(values)


def get_config_text(meta: Mapping[str, Any]) -> str | None:
    """Return the text of the config that a checkpoint contains; None if there is none.

    Args:
        meta: The ``meta`` of the checkpoint.
    """
    text = meta.get('cfg', meta.get(HIDDEN_CONFIG))
    return text if isinstance(text, str) else None


def read_own_config(meta: Mapping[str, Any]) -> Config | None:
    """Read the config that a checkpoint contains.

    Args:
        meta: The ``meta`` of the checkpoint.

    Returns:
        The config. None if there is no config, if it does not define a model and its
        preprocessing, or if it contains more than plain values of the right kinds.
    """
    if (text := get_config_text(meta)) is None:
        return None
    try:
        config = parse_config(text)
        check_types(config)
        dataset = get_test_dataset(config)
        valid = isinstance(config.model, dict) and isinstance(dataset.get('type', ''), str)
        valid &= isinstance(dataset.pipeline, list | tuple)
    except Exception:  # whatever mmengine makes of the values
        return None
    return config if valid else None
