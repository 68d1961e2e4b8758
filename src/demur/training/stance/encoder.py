"""Exports the upper layers of all-MiniLM-L6-v2, as published, for the stance classifier."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from demur.judges.evidence.stance_encoder import UPPER
from demur.training.offline_judge.encoder_stage import FROZEN, HIDDEN, LAYERS, Classifier


class UpperLayers(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Layers four to six: states of the third layer and mask to states of the last."""

    def __init__(self, base: Path) -> None:
        super().__init__()
        self.whole = Classifier(base)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Shape (n, tokens, HIDDEN) both ways."""
        return self.whole._through(hidden, mask, slice(FROZEN, LAYERS))


def export_upper(base: Path, folder: Path) -> None:
    """Write ``upper.onnx``, int8, into ``folder``."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    model, full = UpperLayers(base).eval(), folder / "upper-full.onnx"
    hidden, mask = torch.zeros((2, 16, HIDDEN)), torch.ones((2, 16), dtype=torch.long)
    torch.onnx.export(
        model,
        (hidden, mask),
        full,
        input_names=["hidden", "mask"],
        output_names=["upper"],
        dynamic_axes={name: {0: "texts", 1: "tokens"} for name in ("hidden", "mask", "upper")},
        opset_version=17,
        dynamo=False,
    )
    quantize_dynamic(full, folder / UPPER, weight_type=QuantType.QInt8, per_channel=True)
    full.unlink()
