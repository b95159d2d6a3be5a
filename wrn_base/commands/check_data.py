"""The options of ``wrn check-data``."""

from wrn_base.options import CSV_SAFE, OVERWRITE, argument, flag, number

DOCS = 'docs/data.md'
EXAMPLES = {
    'pets': 'class folders, directly or below train and val',
    'pets --near': 'also images that look alike, such as copies of another size',
    'IMAGES --ann-file FILE --out report.csv': 'a list of images, and a list of problems',
}
ARGUMENTS = {
    'folder': argument('FOLDER', 'folder of class folders, directly or below train, val and test'),
    '--ann-file': argument('FILE', 'list of image paths below the folder, and labels'),
    '--near': flag('report images that look alike, too (by the extra `report`)'),
    '--out': argument('FILE', 'file to write the list of problems to (.json, .csv)'),
    **OVERWRITE,
    '--csv-safe': CSV_SAFE,
    '--json': flag('print JSON: the splits and the problems, as --out FILE.json has them'),
    '--workers': number('threads (default: one per core)'),
}
