"""`wrn publish --push-to-hub` to a local hub, and `hf://USER/REPO` back from it."""

import json
import re
import traceback
from pathlib import Path

import pytest
import timm
import torch
import torchvision
import yaml
from hub_server import CARD, DEFAULT, DIGITS, READ_ONLY, TOKEN
from huggingface_hub import ModelCard, constants
from markdown_it import MarkdownIt

import wrn
from wrn.hub import hub_errors
from wrn.hub.card_usage import find_network
from wrn.hub.hub_repository import Repository
from wrn.hub.markdown_text import code
from wrn.utils.files import hash_file
from wrn_base.cli import main
from wrn_base.errors import WrnError

# huggingface_hub passes the content of a file by an argument that its HTTP library deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=<...>':DeprecationWarning")
MARKDOWN = MarkdownIt('commonmark', dict(html=True)).enable('table')
HOSTILE = [
    '<script>alert(1)</script>', '[a](https://x.org)', '![a](https://x.org/a.png)', '`tick``s`',
    '| cell |', '# no\n## title', '---\nlicense: mit', '{{ 7 * 7 }}', '\u202egnp.exe', ' ',
]  # fmt: skip


@pytest.fixture(autouse=True)
def account(tmp_path, monkeypatch):
    """A user with a token, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('HF_TOKEN', TOKEN)
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_XET', True)
    monkeypatch.setattr(constants, 'HF_HUB_DISABLE_IMPLICIT_TOKEN', False)


@pytest.fixture
def save():
    """Save the digits model with the names of classes."""

    def save(name, classes):
        model = wrn.get_model(DIGITS, pretrained=True)
        meta = dict(cfg=model._config.pretty_text, dataset_meta=dict(classes=classes))
        torch.save(dict(state_dict=model.state_dict(), meta=meta, optimizer={}), name)
        return name

    return save


@pytest.fixture
def checkpoint(save):
    return save('epoch_1.pth', HOSTILE)


@pytest.fixture
def digits(save):
    return save('digits.pth', [*'0123456789'])


@pytest.fixture
def report(digits):
    """The report of a test of the digits model."""
    wrn.test(DIGITS, digits, report='report')
    return 'report'


def path_of(name):
    """Return the file of weights of a name."""
    (path,) = Path().glob(f'{name}-*.safetensors')
    return path


def card_of(hub, repository='user/digits'):
    return ModelCard(hub.content(repository)['README.md'].decode())


def test_there_and_back(hub, digits, report, checkout, capsys):
    names = ['--report', report, '--dataset', 'digits of scikit-learn', '--license', 'Apache-2.0']
    main(['publish', digits, 'mine', '--push-to-hub', 'user/digits', *names])
    out = capsys.readouterr().out
    path = path_of('mine')
    assert f'pushed {DEFAULT} and README.md to {hub.endpoint}/user/digits (public)' in out
    assert 'left out of the card: the provenance of the weights; give it with --source\n' in out
    assert len(re.findall('left out of the card', out)) == 1
    assert hub.content('user/digits')[DEFAULT] == path.read_bytes()

    ours, theirs = (wrn.get_model(name, pretrained=True) for name in (path, 'hf://user/digits'))
    images = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(ours(images), theirs(images))
    assert theirs._dataset_meta['classes'] == [*'0123456789']
    image = checkout / 'demo/digit_7.png'
    assert wrn.inference_model('hf://user/digits', image)['pred_class'] == '7'
    (record,) = wrn.predict(image, 'hf://user/digits')
    assert record['predictions'][0]['pred_score'] > 0.99
    assert wrn.test('hf://user/digits').report.accuracy.correct == 352

    card = card_of(hub)
    assert card.data.license == 'apache-2.0'
    assert card.data.pipeline_tag == 'image-classification'
    (first, *_) = card.data.eval_results
    assert (first.dataset_name, first.metric_type) == ('digits of scikit-learn', 'accuracy')
    assert first.metric_value == pytest.approx(352 / 355)
    assert '- top-1 accuracy: 99.2 % (352 of 355; 95 % interval 97.5 to 99.7)\n' in card.text
    assert 'On `digits of scikit-learn`, 355 images, computed by `eager, float32`' in card.text
    assert 'Images: `to 16x16 (bilinear, pillow); ' in card.text
    assert f'`{hash_file(path)}`' in card.text
    assert 'timm' not in card.text  # which does not have this network


def test_text_of_others_in_the_card_is_text(hub, checkpoint):
    done = wrn.publish(
        checkpoint, 'x', push_to_hub='user/x', source=HOSTILE[0], license='mit', private=True
    )
    assert done.is_private
    assert 'user/x' in hub.private
    content = hub.content('user/x')['README.md'].decode()
    data = yaml.safe_load(CARD.match(content)[1])
    assert data['license'] == 'mit'
    assert 'model-index' not in data  # no figures are known
    tokens = MARKDOWN.parse(card_of(hub, 'user/x').text)
    inline = [child for token in tokens for child in token.children or ()]
    kinds = {token.type for token in tokens} | {child.type for child in inline}
    assert not kinds & {'html_block', 'html_inline', 'link_open', 'image', 'table_open', 'hr'}
    shown = [child.content for child in inline if child.type == 'code_inline']
    for name in HOSTILE[:4]:
        assert name in shown
    assert shown[-1] == "' '"
    assert not [text for text in shown if '\u202e' in text or '\n' in text]


@pytest.mark.parametrize('text', [*HOSTILE, '`', '``', ' `a', '\\`', 'a\x00b', '&lt;'])
def test_inline_code_shows_the_text(text):
    (paragraph,) = [t for t in MARKDOWN.parse(f'- {code(text)}') if t.type == 'inline']
    (shown,) = paragraph.children
    assert shown.type == 'code_inline'
    if text.isprintable() and text.strip() == text:
        assert shown.content == text


def test_the_dataset_is_text_in_the_metadata(hub, digits, tmp_path):
    digest = {'SHA-256 of the file': hash_file(digits)}  # as for a test by another backend
    facts = {**digest, 'backend': HOSTILE[0], 'preprocessing': HOSTILE[4]}
    metrics = {'multi-label/mAP': 99.99, 'multi-label/f1-score': 50.0}
    content = dict(facts=facts, metrics=metrics, cautions=HOSTILE[:1])
    (tmp_path / 'report.json').write_text(json.dumps(content))
    name = 'a: [b]\n---\nlicense: other # "\'{'
    wrn.publish(digits, 'x', push_to_hub='user/x', report='.', dataset=name)
    (first,) = card_of(hub, 'user/x').data.eval_results
    assert (first.metric_type, first.metric_value) == ('f1', 0.5)
    assert first.dataset_name == name.replace('\n', '\\n')
    assert card_of(hub, 'user/x').data.license is None
    assert '- mean average precision: > 99.9 %\n' in card_of(hub, 'user/x').text
    assert f'\nNote: `{HOSTILE[0]}`\n' in card_of(hub, 'user/x').text
    assert f'\nImages: `{HOSTILE[4]}`.\n' in card_of(hub, 'user/x').text


def test_the_card_of_a_multi_label_model(hub, digits):
    """Any number of classes per image pass, which other libraries must know."""
    model = wrn.get_model(DIGITS, pretrained=True)
    head = dict(type='MultiLabelLinearClsHead', num_classes=10, in_channels=128, thr=0.3)
    model._config.model.head = head
    content = torch.load(digits, weights_only=True)
    content['meta'].update(cfg=model._config.pretty_text)
    torch.save(content, 'm.pth')
    main(['publish', 'm.pth', 'm', '--push-to-hub', 'user/m', '--dataset', 'shelf'])
    text = card_of(hub, 'user/m').text
    assert '- data: `shelf`\n' in text
    sigmoid = '10, any number per image, by the sigmoid of each logit: those of at least 0.3'
    assert f'- classes: {sigmoid}\n' in text
    assert "['pred_classes']" in text


@pytest.mark.parametrize('library', ['timm', 'torchvision'])
def test_the_code_for_other_libraries_runs(hub, randomize, library):
    ours = wrn.get_model(
        'wide-resnet50', backbone=dict(depth=18, widen_factor=1), head=dict(in_channels=512, num_classes=3)
    )  # fmt: skip
    randomize(ours)
    torch.save(dict(state_dict=ours.state_dict(), meta=dict(cfg=ours._config.pretty_text)), 'w.pth')
    wrn.publish('w.pth', 'w', push_to_hub='user/w')
    *_, source = re.findall(r'```python\n(.*?)```', card_of(hub, 'user/w').text, re.DOTALL)
    if library == 'torchvision':
        source = re.sub(r'= timm.*\n# or (.*)', r'= \1', source)
    values = dict(torchvision=torchvision)
    exec(source, values)
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(values['model'](images), ours(images))
    *_, source = re.findall(r'```python\n(.*?)```', card_of(hub, 'user/w').text, re.DOTALL)[:1]
    source = source.replace("wrn.inference_model('hf://user/w', 'cat.jpg')['pred_class']", '0')
    exec(source, values)
    assert values['logits'].shape == (1, 3)


@pytest.mark.parametrize(
    ('backbone', 'name'),
    [
        (dict(type='WideResNet', depth=50), 'wide_resnet50_2'),
        (dict(type='WideResNet', depth=101, widen_factor=2, frozen_stages=1), 'wide_resnet101_2'),
        (dict(type='WideResNet', depth=34, widen_factor=1, style='pytorch'), 'resnet34'),
        (dict(type='mmpretrain.WideResNet', depth=50, act_cfg=dict(type='ReLU'), strides=[1, 2, 2, 2]), 'wide_resnet50_2'),
        (dict(type='WideResNet', depth=50, norm_cfg=dict(type='SyncBN'), deep_stem=False), 'wide_resnet50_2'),
        (dict(type='WideResNet', depth=50, deep_stem=True), None),
        (dict(type='WideResNet', depth=50, dilations=(1, 1, 2, 4)), None),
        (dict(type='WideResNet', depth=50, norm_cfg=dict(type='BN', eps=1e-3)), None),
        (dict(type='WideResNet', depth=34, widen_factor=2), None),
        (dict(type='WideResNet', depth=50, style='caffe'), None),
        (dict(type='WideResNet', depth=50, act_cfg=dict(type='SiLU')), None),
        (dict(type='WideResNetCIFAR', depth=28, widen_factor=10), None),
    ],
)  # fmt: skip
def test_networks_of_other_libraries(backbone, name):
    assert find_network(backbone) == name
    assert name is None or timm.is_model(name)


@pytest.mark.slow
@pytest.mark.ci
def test_half_precision_is_known_in_a_report(hub, digits, report):
    """A test computes in float32, and so does the report's hash of the tensors."""
    content = torch.load(digits, weights_only=True)
    weights = content['state_dict']
    halved = {k: v.half() if v.is_floating_point() else v for k, v in weights.items()}
    torch.save(dict(content, state_dict=halved), 'half.pth')
    other = dict(push_to_hub='user/x', report=report, dataset='digits')
    with pytest.raises(WrnError, match='--report report: is of other weights'):
        wrn.publish('half.pth', 'x', **other)
    wrn.test(DIGITS, 'half.pth', report='halved')
    wrn.publish('half.pth', 'x', **{**other, 'report': 'halved'})


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'report.json in it does not exist; give the folder that'),
        ('', 'is not the report of a test'),
        ('[' * 100_000, 'is not the report of a test'),
        ('{"facts": {}, "metrics": {"accuracy/top1": null}, "cautions": []}', 'is not the report'),
        ('{"facts": {"backend": 1, "preprocessing": 2}, "metrics": {"accuracy/top1": 9, "images": 1e999}, "cautions": []}', 'is not the report'),
        ('{"facts": {"backend": 1, "preprocessing": 2}, "metrics": {"accuracy/top1": 9, "images": 0}, "cautions": []}', 'is not the report'),
        ('{"facts": {"backend": 1, "preprocessing": 2}, "metrics": {"accuracy/top1": 9, "images": 4}, "cautions": 4}', 'is not the report'),
        ('{"facts": {"backend": 1, "preprocessing": 2}, "metrics": {"accuracy/balanced": NaN}, "cautions": []}', 'is not the report'),
        ('{"facts": 3, "metrics": 4, "cautions": []}', 'is not the report'),
        ('[1]', 'is not the report'),
        ('{"facts": {"backend": 1, "preprocessing": 2}, "metrics": {"accuracy/top1": 9, "images": 4}, "cautions": []}', 'is of other weights'),
    ],
)  # fmt: skip
def test_reports_that_cannot_be_used(hub, checkpoint, tmp_path, content, message):
    (tmp_path / 'r').mkdir()
    if content is not None:
        (tmp_path / 'r/report.json').write_text(content)
    with pytest.raises(WrnError, match=message):
        wrn.publish(checkpoint, 'x', push_to_hub='user/x', report='r', dataset='d')
    assert hub.requests == []
    assert bool([*tmp_path.glob('x-*')]) == ('other weights' in message)


def test_what_is_there_is_not_replaced(hub, checkpoint, fails):
    hub.commit({'README.md': b'by hand', 'notes.txt': b'kept'}, 'user/x')
    words = ['publish', checkpoint, 'x', '--push-to-hub', 'user/x']
    assert fails(*words) == (
        'wrn: error: user/x: has README.md on the hub; add --overwrite to replace it, or choose '
        f'another repository; the file {path_of("x")} is written'
    )
    assert hub.content('user/x')['README.md'] == b'by hand'
    main([*words, '--overwrite'])
    assert hub.content('user/x').keys() == {'README.md', 'notes.txt', DEFAULT}
    main([*words, '--overwrite'])  # nothing has changed
    assert 'is public on the hub' in fails(*words, '--overwrite', '--private')


def test_the_token_is_in_no_representation():
    assert TOKEN not in repr(Repository('user/x', TOKEN, None, False))


def change(pattern):
    def call(hub, tmp_path):
        for path in tmp_path.glob(pattern):
            path.write_bytes(path.read_bytes() + b'.')

    return call


def commit(hub, tmp_path):
    hub.commit({'README.md': b'%d requests ago' % len(hub.requests)}, 'user/x')


# The arguments, the environment, what the hub does, and what is said.
FAILURES = {
    'no token': ([], dict(HF_TOKEN=''), None, 'no token of the Hugging Face hub was found; log in'),
    'refused token': ([], dict(HF_TOKEN='hf_0therToken0ther0ther'), None, 'the hub refuses the token (Invalid credentials in Authorization header); log in with `hf auth login`'),
    'token with a space': ([], dict(HF_TOKEN=f'{TOKEN[:9]} {TOKEN[9:]}'), None, 'the token has characters that no token has'),
    'token that cannot write': ([], dict(HF_TOKEN=READ_ONLY), None, 'your token may not write there (You do not have the rights); use a repository of your own'),
    'offline': ([], dict(WRN_OFFLINE='1'), None, 'disables the network; unset it'),
    'another owner': (['--push-to-hub', 'other/x'], {}, None, 'other/x: not pushed: your token may not write there'),
    'no owner': (['--push-to-hub', 'x'], {}, None, "'x': not of the form USER/REPO; give both names"),
    'a name that the hub refuses': (['--push-to-hub', 'user/a--b'], {}, None, 'Cannot have -- or .. in repo_id'),
    'pth': (['x.pth'], {}, None, 'the hub gets safetensors; leave out .pth'),
    'blank data': (['--dataset', ' '], {}, None, '--dataset: is blank; give the name of the data, or leave it out'),
    'no data of the figures': (['--report', 'r'], {}, None, '--report r: the card states figures with the name of their data; add --dataset NAME'),
    'a license that the hub does not know': (['--license', 'mine'], {}, None, 'the hub refuses the metadata of the card ('),
    'the file changed': ([], {}, ('preupload', change('x-*.safetensors')), 'was changed meanwhile; run the same command again'),
    'the upload changed': ([], {}, ('objects/batch', change('x-*.safetensors')), 'not pushed: the hub refuses the upload; run the same command again'),
    'the repository changed': ([], {}, ('objects/batch', commit), 'the repository changed meanwhile (A commit has happened since); run the same command again'),
    'out of order': ([], {}, ('validate', lambda hub, _: setattr(hub, 'status', 503)), 'the hub answered 503; try again later'),
    'it asks to wait': ([], {}, ('preupload', lambda hub, _: setattr(hub, 'status', 429)), 'the hub asks to wait; try again in a few minutes'),
    'no hub': ([], {}, ('validate', lambda hub, _: setattr(hub, 'status', 200)), 'sent an unexpected answer ('),
    'no hub, but a list': ([], {}, ('validate', lambda hub, _: vars(hub).update(status=200, body=b'[]')), 'sent an unexpected answer ('),
    'no network': ([], {}, None, 'not pushed: the request to http://127.0.0.1:'),
}  # fmt: skip


@pytest.mark.parametrize('name', FAILURES)
def test_failures_are_one_line_without_the_token(
    hub, checkpoint, fails, monkeypatch, tmp_path, pauses, caplog, capsys, name
):
    caplog.set_level('DEBUG')
    words, environment, event, message = FAILURES[name]
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    if event:
        part, call = event
        hub.before[part] = lambda: call(hub, tmp_path)
    if name == 'no network':
        hub.stop()
    monkeypatch.setattr(constants, 'HF_TOKEN_PATH', str(tmp_path / 'none'))
    words = [*words, *([] if '--push-to-hub' in words else ['--push-to-hub', 'user/x'])]
    words = ['publish', checkpoint, *([] if 'x.pth' in words else ['x']), *words]
    said = fails(*words)
    assert message in said
    monkeypatch.setenv('WRN_DEBUG', '1')
    with pytest.raises(WrnError) as raised:
        main([*words, '--overwrite'])
    traces = ''.join(traceback.format_exception(raised.value))
    seen = said + traces + caplog.text + ''.join(capsys.readouterr())
    seen += repr(hub.files) + repr(hub.requests)
    for token in (TOKEN, READ_ONLY, TOKEN[:12], TOKEN[9:], 'hf_0therToken0ther0ther'):
        assert token not in seen
    files = [path for path in tmp_path.rglob('*') if path.is_file()]
    assert not [path for path in files if TOKEN[9:].encode() in path.read_bytes()]
    assert DEFAULT not in hub.files.get(hub.revisions.get('user/x', {}).get('main'), {})


def test_no_part_of_a_token_that_the_hub_quotes_is_said(hub, checkpoint, fails):
    hub.status, hub.message = 403, f'{"x" * 270} Bearer {TOKEN}'
    said = fails('publish', checkpoint, 'x', '--push-to-hub', 'user/x')
    assert 'Bearer ***); use a repository' in said
    assert TOKEN[:6] not in said


@pytest.mark.parametrize(
    'part', ['validate', 'create', 'preupload', 'objects/batch', 'lfs/', 'commit']
)
def test_a_hub_that_is_silent(hub, checkpoint, fails, monkeypatch, pauses, part):
    monkeypatch.setattr(hub_errors, '_STALLED', 0.2)
    hub.slow = part
    said = fails('publish', checkpoint, 'x', '--push-to-hub', 'user/x')
    hub.go.set()
    assert 'not pushed: the request to http://127.0.0.1' in said
    assert 'timed out' in said


def test_an_older_client_that_would_wait_for_ever(checkpoint, fails, hub, monkeypatch):
    monkeypatch.setattr(hub_errors, 'get_session', object)  # as requests' has, it has no timeout
    said = fails('publish', checkpoint, 'x', '--push-to-hub', 'user/x')
    assert 'huggingface_hub before 1.0 would wait for ever for a hub that is silent; pip' in said
    assert hub.requests == []


def test_a_mirror_without_encryption_gets_no_token(checkpoint, fails, monkeypatch):
    monkeypatch.setattr(constants, 'ENDPOINT', 'http://mirror.invalid')
    words = ('publish', checkpoint, 'x', '--push-to-hub', 'user/x')
    assert 'HF_ENDPOINT is mirror.invalid without https://, which would show your token' in fails(
        *words
    )


def test_a_checkpoint_without_a_config_is_not_pushed(hub, checkpoint, fails):
    torch.save(
        dict(state_dict=torch.load(checkpoint, weights_only=True)['state_dict']), 'plain.pth'
    )
    message = (
        'contains no config of its network, which users need; `wrn convert` writes a file with one'
    )
    assert message in fails('publish', 'plain.pth', 'x', '--push-to-hub', 'user/x')
    assert hub.requests == []


def test_a_network_that_only_a_config_builds_is_not_pushed(hub, digits, fails):
    content, config = torch.load(digits, weights_only=True), wrn.get_model(DIGITS)._config
    config.model.neck = dict(type='GeneralizedMeanPooling')
    content['meta'].update(cfg=config.pretty_text)
    torch.save(content, 'gem.pth')
    said = fails('publish', 'gem.pth', 'x', '--push-to-hub', 'user/x')
    assert 'GeneralizedMeanPooling, which only a config file can build' in said
    assert 'the hub gets only files that work without another one; the file x-' in said
    assert 'wrn convert' not in said
    assert hub.requests == []


def test_options_of_the_hub_need_it(checkpoint, fails):
    for words in (['--private'], ['--report', 'r'], ['--dataset', 'd']):
        said = fails('publish', checkpoint, 'x', *words)
        assert f'{words[0]}: is for the hub; add --push-to-hub USER/REPO, or leave it out' in said


@pytest.mark.slow
@pytest.mark.ci
def test_in_a_new_process(hub, checkpoint, run, monkeypatch, tmp_path):
    """As a user calls it: by the environment alone, and to a private repository and back."""
    for name, value in (
        ('HF_ENDPOINT', hub.endpoint),
        ('HF_HOME', tmp_path / 'home'),
        ('HF_HUB_DISABLE_XET', 1),
        ('HF_DEBUG', 1),  # the client logs its requests
    ):
        monkeypatch.setenv(name, str(value))
    words = ('-m', 'wrn', 'publish', checkpoint, 'x', '--push-to-hub', 'user/x', '--private')
    done = run('python', *words, cwd=tmp_path)
    assert '/user/x (private)' in done.stdout
    back = run('python', '-m', 'wrn', 'info', 'hf://user/x', '--json', cwd=tmp_path)
    assert json.loads(back.stdout)['classes'] == HOSTILE
    for text in (done.stdout, done.stderr, back.stdout, back.stderr):
        assert TOKEN not in text
