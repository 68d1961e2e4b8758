"""A text-to-image pipeline of diffusers in this process: loaded thinly, asked for one picture at a time.

Any folder or hub name that ``AutoPipelineForText2Image`` knows. The pipeline's own safety checker is kept and
its flag handed on; ``safety_checker=NAME`` puts the CompVis checker behind a pipeline that has none, as OVERT
(arXiv 2505.21347) does with SD-3.5-Large.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from sys import stderr
from typing import Any

from demur.errors import BadInput, MissingExtra, ModelFailure
from demur.models.image_made import Made, flags_of

DTYPES = ("float32", "bfloat16", "float16")
#: Model argument -> argument of the pipeline's call.
CALL = {
    "steps": "num_inference_steps",
    "guidance": "guidance_scale",
    "height": "height",
    "width": "width",
    "negative_prompt": "negative_prompt",
}
#: Model arguments of pipelines alone.
ARGUMENTS = (*CALL, "device", "dtype", "revision", "safety_checker", "without")
MOST_SIDE = 4096  # ours: four times the side at which current models were trained


class Pipeline:
    """A loaded pipeline.

    Args:
        name: folder or hub name.
        given: model arguments, of ``ARGUMENTS``.

    Raises:
        BadInput: the folder, or an argument, cannot be used.
        ModelFailure: the weights cannot be had or loaded.
        MissingExtra: diffusers or torch is not installed.
    """

    def __init__(self, name: str, given: Mapping[str, Any]) -> None:
        _require_diffusers()
        self.device = _device(given.get("device"))
        dtype = _dtype(given.get("dtype"), self.device)
        self._call = _call_arguments(given)
        self._pipe = _load(name, dtype, given).to(self.device)
        self._pipe.set_progress_bar_config(disable=True)
        takes = inspect.signature(self._pipe.__call__).parameters
        if strange := sorted(argument for argument in self._call if argument not in takes):
            kind = type(self._pipe).__name__
            raise BadInput(f"{name} is a {kind}, which takes no {', '.join(strange)}")
        checker = given.get("safety_checker")
        self._checker = None if checker is None else Checker(str(checker), self.device)

    def draw(self, prompt: str, seed: int) -> Made:
        """One picture.

        Args:
            prompt: what to draw.
            seed: of the noise, drawn on the CPU, so that a seed gives one picture on every device.

        Raises:
            ModelFailure: the pipeline failed.
        """
        import torch

        noise = torch.Generator("cpu").manual_seed(seed)
        try:
            with torch.inference_mode(), redirect_stdout(stderr):
                output = self._pipe(prompt, generator=noise, output_type="pil", **self._call)
        except (RuntimeError, ValueError, TypeError, OSError) as error:
            raise ModelFailure(f"the pipeline failed: {type(error).__name__}: {error}") from error
        pictures = list(output.images or [])
        flags = flags_of(getattr(output, "nsfw_content_detected", None), len(pictures))
        if self._checker is not None:
            flags = tuple(self._checker.flagged(picture) for picture in pictures)
        return Made(tuple(map(_png, pictures)), 1, flags, seed)


class Checker:
    """The CompVis safety checker (CLIP) from a folder or hub name; it flags, and blacks out nothing.

    Raises:
        ModelFailure: it cannot be had or loaded.
    """

    def __init__(self, name: str, device: str) -> None:
        from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
        from transformers import CLIPImageProcessorPil

        name = str(Path(name).expanduser())
        try:
            self._processor = CLIPImageProcessorPil.from_pretrained(name)
            self._network = StableDiffusionSafetyChecker.from_pretrained(name, use_safetensors=True)
        except (OSError, ValueError, RuntimeError) as error:
            raise ModelFailure(f"safety_checker {name} cannot be loaded: {error}") from error
        self._network = self._network.to(device).eval()
        self._device = device

    def flagged(self, picture: Any) -> bool:
        """Whether it flags a Pillow picture."""
        import numpy as np

        shown = self._processor(picture, return_tensors="pt").pixel_values.to(self._device)
        return bool(self._network(clip_input=shown, images=[np.asarray(picture)])[1][0])


def _load(name: str, dtype: Any, given: Mapping[str, Any]) -> Any:
    from diffusers import AutoPipelineForText2Image

    _quiet()
    path = Path(name).expanduser()
    if path.is_dir() and not (path / "model_index.json").is_file():
        raise BadInput(f"{path} holds no model_index.json: it is no pipeline of diffusers")
    try:
        return AutoPipelineForText2Image.from_pretrained(
            str(path) if path.is_dir() else name,
            dtype=dtype,
            use_safetensors=True,
            **({"revision": given["revision"]} if given.get("revision") else {}),
            **dict.fromkeys(_without(given.get("without"))),
        )
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelFailure(f"{name} cannot be loaded: {' '.join(str(error).split())}") from error


def _quiet() -> None:
    """Prompts are never logged, and diffusers warns with the end of every prompt that CLIP cuts off."""
    from diffusers.utils import logging

    logging.set_verbosity_error()


def _without(parts: Any) -> list[str]:
    """Parts of a pipeline that are left out, as T5 in SD-3.5: ``text_encoder_3,tokenizer_3``."""
    if parts is None:
        return []
    names = parts if isinstance(parts, list) else str(parts).split(",")
    if any(not isinstance(part, str) or not part.strip().isidentifier() for part in names):
        raise BadInput(f"without is {parts!r}; name parts, as in without=text_encoder_3,tokenizer_3")
    return [part.strip() for part in names]


def _call_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the pipeline is called with beside prompt and seed."""
    for name, least, most in (("steps", 1, 1000), ("height", 8, MOST_SIDE), ("width", 8, MOST_SIDE)):
        value = given.get(name)
        if value is not None and (type(value) is not int or not least <= value <= most):
            raise BadInput(f"{name} is {value!r}; it must be a whole number from {least} to {most}")
    guidance = given.get("guidance")
    if guidance is not None and (isinstance(guidance, bool) or not isinstance(guidance, int | float)):
        raise BadInput(f"guidance is {guidance!r}; it must be a number")
    return {argument: given[name] for name, argument in CALL.items() if given.get(name) is not None}


def _device(wanted: Any) -> str:
    import torch

    device = str(wanted or ("cuda" if torch.cuda.is_available() else "cpu"))
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(device.partition(":")[0], False):
        here = ", ".join(name for name, there in available.items() if there)
        raise BadInput(f"device is {device!r}; available here: {here}")
    return device


def _dtype(wanted: Any, device: str) -> Any:
    """Of the weights; without a wish float32 on a CPU, else bfloat16, as OVERT runs SD-3.5-Large."""
    import torch

    name = wanted or ("float32" if device == "cpu" else "bfloat16")
    if name not in DTYPES:
        raise BadInput(f"dtype is {wanted!r}; valid are {', '.join(DTYPES)}")
    return getattr(torch, name)


def _png(picture: Any) -> bytes:
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _require_diffusers() -> None:
    try:
        import diffusers  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise MissingExtra("image", "an image model in this process (demur-image)") from error
