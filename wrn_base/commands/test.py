"""The options of ``wrn test``."""

from wrn_base.options import (
    BACKEND_ARGUMENTS,
    CHECKPOINT,
    COMMON_ARGUMENTS,
    CSV_SAFE,
    DOWNLOAD_ARGUMENTS,
    OVERWRITE,
    RUN_ARGUMENTS,
    SPEED_ARGUMENTS,
    WEIGHTS_ARGUMENTS,
    argument,
    choice,
    decimal,
    flag,
    number,
)

DOCS = 'docs/training.md'
EXAMPLES = {
    'wide-resnet16-2_1xb64_digits': 'the embedded model on its own test images',
    'work_dirs/pets/pets-1a2b3c4d.pth --data new_pets': 'a fine-tuned model on other images',
    'CONFIG CHECKPOINT --report report': 'with a report',
}
ARGUMENTS = {
    'model': argument('MODEL', 'model name, or path of a config, weights or an exported file'),
    'checkpoint': {**CHECKPOINT, 'nargs': '?'},
    '--data': argument(
        'FOLDER',
        'folder of images to test on: class folders, directly or below test or val (default: the '
        'test data of the config)',
    ),
    '--ann-file': argument('FILE', 'list of image paths below --data, and labels'),
    '--out': argument('FILE', 'file to write the results to'),
    '--out-item': choice(
        ('pred', 'metrics'),
        'results to write: the predictions (.csv, .jsonl, .json, .parquet, .pkl) or the metrics '
        '(.json, .yaml) (default: pred)',
    ),
    '--report': argument(
        'FOLDER', 'folder for a report: metrics of each class, calibration and a confusion matrix'
    ),
    **OVERWRITE,
    '--csv-safe': CSV_SAFE,
    '--json': flag('print JSON: the metrics, and those of each class if there is a report'),
    '--amp': flag('test in mixed precision'),
    '--tta': flag(
        'average over the views of tta_pipeline in the config (default: the image and its mirror '
        'image)'
    ),
    '--show': flag('show images with predictions in a window'),
    '--show-dir': argument('FOLDER', 'folder to write images with predictions to'),
    '--interval': number('show every N-th image', 1),
    '--wait-time': argument('SECONDS', 'time to show each image', 2, type=decimal),
    'weights': WEIGHTS_ARGUMENTS,
    **RUN_ARGUMENTS,
    **COMMON_ARGUMENTS,
    'speed': SPEED_ARGUMENTS,
    'backend': BACKEND_ARGUMENTS,
    **DOWNLOAD_ARGUMENTS,
}
