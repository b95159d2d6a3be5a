"""``wrn config``: print a config with all that it takes from others."""

import argparse
import shlex

from wrn.cli.settings import parse_settings
from wrn.config.config_errors import config_errors
from wrn.jobs.outputs import check_out
from wrn.jobs.run_options import read_runnable
from wrn.jobs.settings import apply_settings
from wrn.utils.files import write_atomically
from wrn_base.terminal import show_command, show_line


def run(args: argparse.Namespace) -> None:
    """Print the config as a file that can be trained by, or write it."""
    if args.out:
        check_out(args.out, 'configs are', ('.py',), args.overwrite)
    cfg = read_runnable(args.config)
    with config_errors(cfg.filename):
        apply_settings(cfg, parse_settings(args.cfg_options))
        text = cfg.pretty_text
    if not args.out:
        for line in text.rstrip('\n').split('\n'):
            show_line(line)
        return
    with write_atomically(args.out, args.overwrite) as file:
        file.write(text.encode())
    show_command(f'wrote {args.out}; train by it with: wrn train {shlex.quote(args.out)}')
