"""Print and draw the results that engines.py wrote with ``--json``.

::

    python benchmarks/engines_report.py engines.json engines.png
"""

import argparse
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from rich.console import Console
from rich.table import Table

COLORS = {
    'ours, float32': '#1769aa',
    'ours, bfloat16 or int8': '#7fb8e6',
    'others, float32': '#7a7a7a',
    'others, bfloat16': '#c4c4c4',
}
LIMIT = '#c0392b'


def chosen_backend(record: dict[str, Any]) -> str:
    """Return the backend that ``auto`` chose, in brackets, or nothing."""
    found = re.match(r'backend (\w+)', record['note'])
    return f' ({found[1]})' if found and record['name'] == 'ours, auto' else ''


def print_table(results: dict[str, Any]) -> None:
    title = f'{results["model"]}, {results["machine"]}'
    table = Table(title=title, box=None)
    columns = ('calls', 'p50', 'p99', 'images/s', 'to eager', 'to compiled', 'share', 'difference')
    for column in ('batch', '', *columns):
        table.add_column(column, justify='right' if column else 'left', no_wrap=True)
    records = results['records']
    for record, following in zip(records, [*records[1:], None], strict=True):
        table.add_row(
            str(record['batch_size']),
            record['name'] + chosen_backend(record),
            str(record['calls']),
            f'{1000 * record["p50"]:.2f} ms',
            f'{1000 * record["p99"]:.2f} ms',
            f'{record["images_per_second"]:.2f}',
            *(f'{record[key]:.3f}' if key in record else '' for key in ('to_eager', 'to_compiled')),
            f'{record["images_per_second"] / results["limit"]:.2f}',
            f'{record["difference"]:.0e}',
            end_section=following is None or following['batch_size'] != record['batch_size'],
        )
    Console(width=140).print(table)
    for record in records:
        if record['precision'] == 'int8':  # predicted classes may change
            print(f'batches of {record["batch_size"]}: {record["note"]}')
    for name, rate in results['rates'].items():
        print(f'best {name}: {2 * rate / 1e9:.0f} GFLOP/s')
    print(f'limit: {results["limit"]:.2f} images/s')
    for name, reason in results['skipped'].items():
        print(f'left out: {name} ({reason})')


def group(record: dict[str, Any]) -> str:
    if record['kind'] == 'ours':
        exact = record['precision'] == 'float32'
        return 'ours, float32' if exact else 'ours, bfloat16 or int8'
    return f'others, {record["precision"]}'


def digits(rate: float) -> int:
    """Return how many decimals rates of this size need."""
    return 2 if rate < 20 else 1 if rate < 1000 else 0


def draw(results: dict[str, Any], path: Path) -> None:
    """Draw the images per second as bars, in a panel for each batch size."""
    records = results['records']
    sizes = list(dict.fromkeys(record['batch_size'] for record in records))
    rates: dict[str, list[float]] = {}
    for record in records:
        rates.setdefault(record['name'], []).append(record['images_per_second'])
    names = sorted(rates, key=lambda name: np.mean(np.log(rates[name])))  # fastest on top
    width, height = max(2.3 + 3.2 * len(sizes), 8), 1.8 + 0.29 * len(names)
    engine = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)
    figure = Figure((width, height), dpi=150, layout=engine)
    figure.suptitle(f'{results["model"]}: images per second\n', fontsize=13, fontweight='bold')
    figure.text(0.5, 1 - 0.4 / height, results['machine'], ha='center', va='top', fontsize=9)
    panels = figure.subplots(1, len(sizes), sharey=True, squeeze=False)[0]
    for size, axes in zip(sizes, panels, strict=True):
        draw_panel(axes, [r for r in records if r['batch_size'] == size], names, results['limit'])
        axes.set_title(f'batches of {size}' if size > 1 else 'single images', fontsize=10, pad=6)
    panels[0].set_yticks(range(len(names)), names, fontsize=9)
    for name, tick in zip(names, panels[0].get_yticklabels(), strict=True):
        tick.set_fontweight('bold' if name.startswith('ours') else 'normal')
    groups = {group(record) for record in records}
    handles: list[Any] = [Patch(color=c, label=g) for g, c in COLORS.items() if g in groups]
    legend = f'limit in float32: {results["limit"]:,.{digits(results["limit"])}f}'
    handles.append(Line2D([], [], color=LIMIT, linestyle='--', label=legend))
    figure.legend(handles=handles, loc='outside lower center', ncols=3, fontsize=8.5, frameon=False)
    figure.savefig(path)


def draw_panel(axes: Axes, records: list[dict[str, Any]], names: list[str], limit: float) -> None:
    rates = [record['images_per_second'] for record in records]
    places = [names.index(record['name']) for record in records]
    colors = [COLORS[group(record)] for record in records]
    bars = axes.barh(places, rates, height=0.74, color=colors, zorder=2)
    texts = [
        f'{rate:,.{digits(max(rates))}f}{chosen_backend(r)}'
        for rate, r in zip(rates, records, strict=True)
    ]
    box = dict(boxstyle='square,pad=0.12', color='white', alpha=0.85)  # above the limit's line
    axes.bar_label(bars, texts, padding=4, fontsize=8, zorder=4, bbox=box)
    right = 1.3 * max(rates)  # room for the numbers
    if limit < 2 * max(rates):
        right = max(right, 1.08 * limit)
        axes.axvline(limit, color=LIMIT, linestyle='--', linewidth=1.2, zorder=3)
    else:
        text = 'the limit is outside the figure'
        axes.text(0.98, 0.02, text, color=LIMIT, fontsize=8, ha='right', transform=axes.transAxes)
    axes.set_xlim(0, right)
    axes.set_ylim(-0.6, len(names) - 0.4)
    axes.tick_params(axis='y', length=0)
    axes.tick_params(axis='x', labelsize=8)
    axes.grid(axis='x', color='#e4e4e4', linewidth=0.8, zorder=0)
    axes.spines[['top', 'right', 'left']].set_visible(False)


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('json', type=Path)
    parser.add_argument('png', type=Path)
    args = parser.parse_args()
    figures = json.loads(args.json.read_text())
    print_table(figures)
    draw(figures, args.png)
