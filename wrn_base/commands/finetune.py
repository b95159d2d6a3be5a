"""The options of ``wrn finetune``."""

from wrn_base.options import (
    CHECKPOINT,
    CSV_SAFE,
    DOWNLOAD_ARGUMENTS,
    TRAIN_ARGUMENTS,
    argument,
    decimal,
    flag,
    number,
)

DOCS = 'docs/finetuning.md'
EXAMPLES = {
    'pets': 'class folders; writes work_dirs/pets',
    'pets --epochs 5 --freeze 3': 'quicker: the first stages stay as they are',
    'pets --head-only': 'on a CPU: trains the head alone, in minutes',
    "slides --balance --groups 'patient_[0-9]+'": 'uneven classes, several images of a patient',
}
DEFAULT_MODEL = 'wide-resnet50_3rdparty_8xb32_in1k'
ARGUMENTS = {
    'data': argument(
        'FOLDER', 'folder of class folders, directly or below train, val and (optionally) test'
    ),
    '--model': argument('MODEL', 'model name, or path of a config or weights', DEFAULT_MODEL),
    '--checkpoint': CHECKPOINT,
    '--freeze': number('freeze the stem and the first N stages; 0: only the stem, -1: nothing', -1),
    '--bit-depth': number('bits of the values in 16-bit images, such as 12 (default: 16)'),
    '--head-only': flag(
        'train the head alone, on features that are computed once: minutes on a CPU; not with '
        '--epochs, --lr, --batch-size, --patience, --amp, --auto-scale-lr, --tensorboard, --wandb, '
        '--freeze, --no-validate, --launcher, --no-pin-memory, --no-persistent-workers and the '
        'options of speed'
    ),
    '--views': number(
        'with --head-only, views of each training image: that of a test, and random ones', 1
    ),
    '--balance': flag(
        'weight the loss of each class by the inverse of its number of training images'
    ),
    '--groups': argument(
        'REGEX|CSV',
        'keep the images of a patient, slide or video in one split: an expression that matches its '
        'name in the path of an image, or a .csv file with the columns path and group',
    ),
    '--csv-safe': CSV_SAFE,
    **TRAIN_ARGUMENTS,
    '--epochs': number('epochs to train, to which the schedule is scaled (default: 20)'),
    '--lr': argument(
        'RATE',
        'learning rate of the head, and a tenth of it of the backbone; never scaled (default: '
        '0.01)',
        type=decimal,
    ),
    '--batch-size': number(
        'images per step on each device; scales the learning rate, unless --lr is given (default: '
        '32)'
    ),
    '--workers': number('processes that load images (default: one for each core, at most 4)'),
    '--seed': number('seed of the split, the order of the images and the new head', 0),
    **DOWNLOAD_ARGUMENTS,
}
