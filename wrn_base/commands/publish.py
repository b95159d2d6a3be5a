"""The options of ``wrn publish``."""

from wrn_base.options import CHOICE_ARGUMENTS, OVERWRITE, argument, flag

DOCS = 'docs/weights.md'
EXAMPLES = {
    'work_dirs/pets/epoch_20.pth pets': 'writes pets-HASH.safetensors',
    'run/epoch_1.pth pets --license Apache-2.0': 'with a license',
    'work_dirs/pets/pets-1a2b3c4d.pth pets --push-to-hub USER/pets': 'to the Hugging Face hub',
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
    'Hugging Face hub': {
        '--push-to-hub': argument(
            'USER/REPO',
            'repository to push the weights and a model card to; it is created if it does not '
            'exist. The token is that of `hf auth login` or HF_TOKEN',
        ),
        '--private': flag('only you see the repository (default: everybody)'),
        '--report': argument(
            'FOLDER',
            'report on these weights, of `wrn test --report` or `wrn finetune`, for the figures on '
            'the card',
        ),
        '--dataset': argument('NAME', 'name of the data, which the card needs with figures'),
    },
}
