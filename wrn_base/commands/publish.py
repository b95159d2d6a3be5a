"""The options of ``wrn publish``."""

from wrn_base.options import CHOICE_ARGUMENTS, OVERWRITE, argument

DOCS = 'docs/weights.md'
EXAMPLES = {
    'work_dirs/pets/epoch_20.pth pets': 'writes pets-HASH.safetensors',
    'run/epoch_1.pth pets --license Apache-2.0': 'with a license',
}
DESCRIPTION_ARGUMENTS = {
    '--folder': argument('FOLDER', 'folder to write to', '.'),
    **OVERWRITE,
    '--source': argument('TEXT', 'provenance of the weights to record in the file'),
    '--license': argument('NAME', 'license to record in the file, such as Apache-2.0'),
}
ARGUMENTS = {
    'checkpoint': argument('FILE', 'checkpoint that `wrn train` wrote'),
    'name': argument(
        'NAME', 'name of the file to write, .safetensors (default) or .pth; the hash is appended'
    ),
    **CHOICE_ARGUMENTS,
    **DESCRIPTION_ARGUMENTS,
}
