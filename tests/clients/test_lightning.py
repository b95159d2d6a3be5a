"""docs/clients.md with Lightning: a module that fine-tunes a network of this package."""

import pytest
import torch
from documents import python_blocks
from sklearn.datasets import load_digits

import wrn
from wrn_base.errors import RandomWeightsWarning

pytest.importorskip('lightning')
DIGITS = 'wide-resnet16-2_1xb64_digits'


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.filterwarnings('default')  # of Lightning and of what it uses
def test_fine_tuning(checkout, tmp_path):
    import lightning

    (code,) = [
        code
        for code in python_blocks(checkout / 'docs/clients.md')
        if 'lightning.LightningModule' in code
    ]
    values = {}
    exec(code, values)
    lightning.seed_everything(0)
    with pytest.warns(RandomWeightsWarning, match='the head is newly initialized'):
        module = values['FineTuning'](2)
    content = load_digits()
    images = torch.nn.functional.interpolate(
        torch.tensor(content.images[:320, None] / 8 - 1, dtype=torch.float32), size=16
    ).expand(-1, 3, -1, -1)
    labels = torch.tensor(content.target[:320] % 2)  # odd or even: another task
    before = {key: value.clone() for key, value in module.network.state_dict().items()}
    loader = torch.utils.data.DataLoader([*zip(images, labels, strict=True)], 32, shuffle=True)
    trainer = lightning.Trainer(
        max_epochs=3, accelerator='cpu', logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path,
    )  # fmt: skip
    trainer.fit(module, loader)
    after = module.network.state_dict()
    assert not torch.equal(
        before['backbone.norm.running_mean'], after['backbone.norm.running_mean']
    )
    network = module.network.eval()
    with torch.no_grad():
        accuracy = (network(images).argmax(1) == labels).float().mean()
    assert accuracy > 0.9
    torch.save(dict(state_dict=network.state_dict()), tmp_path / 'tuned.pth')
    back = wrn.get_model(DIGITS, pretrained=tmp_path / 'tuned.pth', head=dict(num_classes=2))
    with torch.no_grad():
        assert torch.equal(back(images[:4]), network(images[:4]))
