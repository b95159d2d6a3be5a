"""Parse the arguments of ``wrn``."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import Any, NoReturn

from wrn_base.errors import did_you_mean
from wrn_base.options import Argument, add_arguments
from wrn_base.terminal import printable, wrap
from wrn_base.version import __version__

COMMANDS = {
    'Models': {
        'list': 'list the models of this package',
        'info': 'show the card of a model: network, metrics, provenance',
        'convert': 'convert weights between checkpoint formats',
        'publish': 'reduce a training checkpoint to what others need',
        'export': 'export a model to a file for other runtimes',
    },
    'Images': {
        'predict': 'classify images',
        'explain': 'draw where in images the scores of classes come from',
        'features': 'write the features of images, as the stages compute them',
        'app': 'serve a page and an HTTP interface to try a model',
    },
    'Training': {
        'finetune': 'fine-tune a pretrained model on a folder of images',
        'train': 'train a model by a config',
        'config': 'print the whole config of a model, to read or to change',
        'test': "measure a model's accuracy",
        'verify': 'compare published weights with their published figures',
        'overfit': 'overfit one batch, to find out whether a setup can learn',
        'plot': 'plot loss, accuracy and learning rate of training runs',
    },
    'Data': {
        'check-data': 'find damaged, misplaced and duplicate images',
        'prepare-imagenet': "create ImageNet's folders from its archives",
    },
    'Installation': {
        'doctor': 'find out what is wrong: packages, backends, machine, network',
    },
}
"""The help of each command, by group."""

HELPS = {name: help for group in COMMANDS.values() for name, help in group.items()}
_OPTIONS = ('--help', '--version')  # without a command
_CLOSE = 0.7  # how similar options must be for a suggestion
_DEBUG = 'WRN_DEBUG=1 in the environment shows the traceback of an error.'


class _Parser(argparse.ArgumentParser):
    """A parser without abbreviations, whose errors are one line and name the nearest option."""

    def __init__(self, prog: str, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog,
            usage=f'{prog} {usage}',
            description=description,
            epilog=epilog,
            allow_abbrev=False,  # an abbreviation would break when an option is added
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def error(self, message: str) -> NoReturn:
        """Exit with one line and status 2."""
        message = f'{self.prog}: error: {printable(message)}; see `{self.prog} --help`'
        self.exit(2, f'{wrap(message, sys.stderr)}\n')

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse all arguments; exit if there are unknown ones."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self._reject(unknown)
        return parsed

    def _reject(self, unknown: Sequence[str]) -> NoReturn:
        name = next((word for word in unknown if word.startswith('-')), unknown[0])
        name = name.partition('=')[0]
        if not name.startswith('-'):
            self.error(f'{name!r}: one argument too many')
        known = [option for action in self._actions for option in action.option_strings]
        usage = f'; the usage is `{self.usage}`'
        self.error(f'{name}: unknown option{did_you_mean(name, known, usage, _CLOSE)}')

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:  # argparse ignores that an output is full or closed
            sys.stdout.write(message)
            sys.stdout.flush()
        else:
            super()._print_message(message, file)


def get_command(name: str) -> ModuleType:
    """Return the module that declares the arguments of a command."""
    return import_module(f'wrn_base.commands.{name.replace("-", "_")}')


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line. Exit after ``--help``, ``--version`` and wrong usage.

    Args:
        argv: The arguments. Defaults to those of the process.

    Returns:
        The arguments of a command, and its name as ``command``.
    """
    argv = sys.argv[1:] if argv is None else argv
    if not argv or argv[0] == 'help':  # `wrn help COMMAND` is another habit
        argv = [*argv[1:2], '--help']
    if (name := argv[0]) not in HELPS:
        parser = _make_parser()
        if not name.startswith('-'):
            near = did_you_mean(name, (*HELPS, *_OPTIONS))
            parser.error(f'{name!r}: unknown command{near}')
        if name not in ('-h', *_OPTIONS):
            meant = next((word for word in argv if word in HELPS), 'COMMAND')
            behind = f'; the options of a command come behind it: `wrn {meant} ... {name}`'
            if name in ('-v', '-V'):
                behind = "; did you mean '--version'?"
            near = did_you_mean(name, _OPTIONS, behind, _CLOSE)
            parser.error(f'{name}: unknown option{near}')
        return parser.parse_args(argv)
    parser, command = _make_command_parser(name), get_command(name)
    add_arguments(parser, command.ARGUMENTS)
    return parser.parse_args(argv[1:], argparse.Namespace(command=name))


def _make_parser() -> _Parser:
    width = max(map(len, HELPS))
    groups = [
        '\n'.join([f'{title}:', *(f'  {name:{width}}  {help}' for name, help in commands.items())])
        for title, commands in COMMANDS.items()
    ]
    more = f'`wrn COMMAND --help` shows the options of a command, and examples.\n{_DEBUG}'
    epilog = '\n\n'.join([*groups, more])
    parser = _Parser('wrn', 'COMMAND [options]', 'Wide Residual Networks for mmpretrain.', epilog)
    parser.add_argument('--version', action='version', version=f'wrn {__version__}')
    parser.add_argument('command', metavar='COMMAND', help='one of those below')
    return parser


def _describe_usage(arguments: Mapping[str, Argument]) -> str:
    """Return the arguments without a dash; argparse would list all options in many lines."""
    words = []
    for name, declaration in arguments.items():
        if not name.startswith('-') and 'metavar' in declaration:
            more = {'+': ' ...'}.get(declaration.get('nargs', ''), '')
            word = declaration['metavar'] + more
            words.append(f'[{word}]' if declaration.get('nargs') == '?' else word)
    return ' '.join([*words, '[options]'])


def _make_command_parser(name: str) -> _Parser:
    command, prog = get_command(name), f'wrn {name}'
    examples = [
        f'  {f"{prog} {words}".strip()}\n      {what}' for words, what in command.EXAMPLES.items()
    ]
    help = HELPS[name]
    epilog = '\n'.join(['examples:', *examples, '', f'documentation: {command.DOCS}', _DEBUG])
    return _Parser(
        prog, _describe_usage(command.ARGUMENTS), f'{help[0].upper()}{help[1:]}.', epilog
    )
