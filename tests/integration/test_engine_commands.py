"""``wrn test`` and ``wrn predict`` with a backend."""

import pickle

import numpy as np
import pytest

import wrn
from wrn_base.cli import main

MODEL = 'wide-resnet16-2_1xb64_digits'


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def read_scores(path):
    return np.stack([p['pred_score'] for p in pickle.loads(path.read_bytes())])


@pytest.fixture
def eager(tmp_path):
    main(['test', MODEL, '--out', 'eager.pkl'])
    return read_scores(tmp_path / 'eager.pkl')


def test_test_with_an_engine(eager, capfd, tmp_path):
    main(['test', MODEL, '--out', 'fused.pkl', '--backend', 'fused'])
    fused = read_scores(tmp_path / 'fused.pkl')
    np.testing.assert_allclose(fused, eager, rtol=1e-4, atol=1e-7)
    assert (fused != eager).any()  # the engine did run
    assert 'wrn: backend fused, float32; differs from eager by at most ' in capfd.readouterr().err


@pytest.mark.ci
@pytest.mark.slow
def test_test_with_an_engine_in_two_processes(eager, run, checkout, digits_weights, tmp_path):
    script = checkout / 'tools' / 'dist_test.sh'
    config = checkout / 'configs' / 'wrn' / f'{MODEL}.py'
    run('bash', script, config, digits_weights, 2, '--out', 'two.pkl', '--backend', 'fused')
    np.testing.assert_allclose(read_scores(tmp_path / 'two.pkl'), eager, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--precision', 'int8'], 'precision int8: not supported by backend eager'),
        (
            ['--backend', 'fused', '--tta'],
            'need the eager backend in float32; leave them out, or leave out --backend',
        ),
        (['--backend', 'fused', '--precision', 'int8'], 'does not support int8; use openvino'),
    ],
)
def test_unsupported_options(fails, options, message):
    assert message in fails('test', MODEL, *options)


def test_predict_with_an_engine(capsys, checkout):
    main(['predict', str(checkout / 'demo'), '--backend', 'fused', '--topk', '1'])
    out, err = capsys.readouterr()
    assert [line.split()[-2] for line in out.splitlines()[1:]] == ['3', '7']
    assert 'wrn: backend fused, float32; differs from eager by at most ' in err
    assert wrn.get_model(MODEL, backend='fused').engine.name == 'fused'
