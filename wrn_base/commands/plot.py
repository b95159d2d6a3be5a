"""The options of ``wrn plot``."""

from wrn_base.options import OVERWRITE, argument

DOCS = 'docs/training.md'
EXAMPLES = {
    'work_dirs/pets': 'writes curves.png',
    'RUN_A RUN_B --out both.svg': 'two runs in one plot',
}
ARGUMENTS = {
    'runs': argument('RUN', 'work folder of train or finetune, or a scalars.json', nargs='+'),
    '--out': argument('FILE', 'plot to write (.png, .svg, .pdf)', 'curves.png'),
    **OVERWRITE,
}
