"""The options of ``wrn prepare-imagenet``."""

from wrn_base.options import argument, flag

DOCS = 'docs/data.md'
EXAMPLES = {
    'DOWNLOADS': 'makes data/imagenet',
    'DOWNLOADS OUT --verify': 'compares MD5 hashes first',
}
ARGUMENTS = {
    'folder': argument(
        'FOLDER', "folder with the official ILSVRC2012_* archives, or with Kaggle's ILSVRC folder"
    ),
    'out': argument('OUT', 'folder to create', 'data/imagenet', nargs='?'),
    '--overwrite': flag('replace what OUT has (default: complete it)'),
    '--verify': flag('first compare the MD5 hashes of the archives with the official ones'),
}
