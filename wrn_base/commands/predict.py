"""The options of ``wrn predict``."""

from wrn_base.options import (
    CSV_SAFE,
    DOWNLOAD_ARGUMENTS,
    INFERENCE_ARGUMENTS,
    OVERWRITE,
    argument,
    flag,
    number,
)

DOCS = 'docs/inference.md'
EXAMPLES = {
    'demo/digit_7.png': 'one image',
    'demo --out results.csv': 'a folder; resumes an interrupted run',
    'demo --json': 'for other programs, image by image',
    'photos --model wide-resnet50_3rdparty_8xb32_in1k --backend auto': 'the fastest backend',
}
DEFAULT_MODEL = 'wide-resnet16-2_1xb64_digits'
ARGUMENTS = {
    '--model': argument(
        'MODEL',
        'model name, or path of a config, weights or an exported file (default: '
        f'{DEFAULT_MODEL}, which is embedded and classifies handwritten digits)',
    ),
    '--topk': number('predictions per image', 5),
    '--out': argument(
        'FILE',
        'file to write (.csv, .jsonl, .json, .parquet); resumes an interrupted run (default: print '
        'a table)',
    ),
    '--heatmaps': argument(
        'FOLDER',
        'folder for a drawing per image of where its predicted class comes from, by Grad-CAM; '
        'wrn explain has more options',
    ),
    **OVERWRITE,
    '--csv-safe': CSV_SAFE,
    '--json': flag('print JSON: an object per image, in a line, as soon as it is classified'),
    **INFERENCE_ARGUMENTS,
    **DOWNLOAD_ARGUMENTS,
}
