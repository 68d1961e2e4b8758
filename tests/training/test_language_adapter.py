"""An adapter on the language model alone, the projector found by where it lies, and how it is conditioned."""

from __future__ import annotations

import math
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft", reason="needs the `train` extra")

import torch
from torch import nn

from demur.errors import BadInput
from demur.models.loading import load_model
from demur.training.conditioning import conditioning
from demur.training.language_adapter import projector_of, sees, with_language_adapter
from demur.training.organism import organism_path
from demur.training.organism.vision_model import Sizes, new_model, new_processor

pytestmark = pytest.mark.local
SMALL = Sizes(
    side=24, patch=12, vision_width=32, vision_inner=64, vision_layers=1, vision_heads=2,
    width=64, inner=128, layers=2, heads=2, key_value_heads=1,
)  # fmt: skip


@pytest.fixture
def eyes() -> Any:
    return new_model(new_processor(SMALL), SMALL).eval()


def trained(model: Any) -> set[str]:
    """What trains, without PEFT's own names."""
    names = (name for name, weight in model.named_parameters() if weight.requires_grad)
    return {name.removeprefix("base_model.model.").partition(".lora_")[0] for name in names}


def test_only_the_language_model_and_the_projector_train(eyes: Any) -> None:
    assert sees(eyes) and projector_of(eyes) == ["model.multi_modal_projector"]
    names = trained(with_language_adapter(eyes, 2, 4.0))
    projector = {name for name in names if "multi_modal_projector.modules_to_save" in name}
    rest = names - projector
    assert len(projector) == 4 and len(rest) == 2 * 7
    assert all(name.startswith("model.language_model.layers.") for name in rest)


def test_a_model_of_text_has_no_projector() -> None:
    model = load_model(str(organism_path()), None, "cpu", "float32", False)
    assert not sees(model)
    names = trained(with_language_adapter(model, 2, 4.0))
    assert all(name.startswith("model.layers.") for name in names) and len(names) == 4 * 7


def test_a_projector_can_be_named_and_a_wrong_name_is_refused(eyes: Any) -> None:
    assert projector_of(eyes, "multi_modal_projector.linear_2") == ["multi_modal_projector.linear_2"]
    with pytest.raises(BadInput, match=r"projector is 'projector'; .* has no module of that name"):
        projector_of(eyes, "projector")


def test_where_it_is_not_one_module_the_user_is_asked(eyes: Any) -> None:
    eyes.model.second = nn.Linear(2, 2)
    with pytest.raises(BadInput, match=r"model.multi_modal_projector, model.second; say with projector"):
        projector_of(eyes)


class Seeing(nn.Module):
    """A projector of one matrix behind a model's input."""

    def __init__(self, projector: nn.Module) -> None:
        super().__init__()
        self.projector = projector

    def forward(self, states: torch.Tensor, use_cache: bool = True) -> torch.Tensor:
        return self.projector(states)


def test_the_condition_number_is_that_of_the_matrix() -> None:
    """Singular values 6, 3, 1.5 behind two rotations: 4."""
    torch.manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(n, n))[0] for n in (5, 3))
    layer = nn.Linear(3, 5)
    layer.weight.data = left[:, :3] @ torch.diag(torch.tensor([6.0, 3.0, 1.5])) @ right
    found = conditioning(Seeing(layer), "projector", [{"states": torch.randn(2, 10, 3)}])
    assert found["jacobian"]["n"] == 8
    assert found["jacobian"]["median"] == pytest.approx(4, rel=1e-4) == found["jacobian"]["highest"]
    assert found["weights"] == {"": pytest.approx(4, rel=1e-4)}


def test_a_squashing_projector_is_worse_where_it_squashes() -> None:
    """tanh of the second entry at 3 has the slope 1 - tanh(3)^2; the first stays at slope 1."""
    layer = nn.Sequential(nn.Tanh())
    found = conditioning(Seeing(layer), "projector", [{"states": torch.tensor([[[0.0, 3.0]]])}])
    assert found["jacobian"]["median"] == pytest.approx(1 / (1 - math.tanh(3) ** 2), rel=1e-3)


def test_a_projector_that_mixes_places_has_no_jacobian_of_one() -> None:
    class Pairs(nn.Module):
        def forward(self, states: torch.Tensor) -> torch.Tensor:
            return states.reshape(len(states), -1, 2 * states.shape[-1])

    found = conditioning(Seeing(Pairs()), "projector", [{"states": torch.randn(1, 4, 3)}])
    assert found == {"jacobian": None, "weights": {}}
