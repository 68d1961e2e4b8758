"""How well conditioned a projector is: the condition number of its Jacobian at features of real pictures.

A follow-up of SafeEraser found that it rises above 1e6 in unlearning, and with it refusals beside harmless
pictures. Largest singular value by the smallest, of d output / d input at one place of one picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

PLACES = 8  # ours: places of pictures at which the Jacobian is taken; each costs d_in passes of the projector


def conditioning(model: Any, name: str, batches: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Condition numbers of the projector's Jacobian, and of its weights.

    Args:
        model: in evaluation mode; PEFT's, or of transformers.
        name: of the projector, as ``language_adapter.projector_of`` gives it.
        batches: inputs of the model with pictures, on its device.

    Returns:
        ``jacobian``: ``median``, ``highest`` and ``n`` over places, or ``None`` where the projector mixes
        places or none were seen; ``weights``: module to condition number.
    """
    projector = next(part for path, part in model.named_modules() if path.endswith(name))
    features = _features(model, projector, batches)
    numbers = [] if features is None else _jacobians(projector, features)
    found = None
    if numbers:
        middle = sorted(numbers)[len(numbers) // 2]
        found = {"median": middle, "highest": max(numbers), "n": len(numbers)}
    return {"jacobian": found, "weights": _weights(projector)}


def _features(model: Any, projector: Any, batches: Sequence[dict[str, Any]]) -> Any:
    """What enters the projector, [places, width]: evenly spread, at most ``PLACES``; ``None`` without any."""
    import torch

    from demur.models.architecture import hooked, on_input

    seen: list[Any] = []
    with torch.inference_mode(), hooked() as handles:
        handles.append(on_input(projector, seen.append))
        for batch in batches:
            model(**batch, use_cache=False)
    if not seen:
        return None
    whole = torch.cat([part.reshape(-1, part.shape[-1]) for part in seen])
    return whole[:: max(1, len(whole) // PLACES)][:PLACES].clone()


def _jacobians(projector: Any, features: Any) -> list[float]:
    """A condition number for each place, in double precision; none where one place alone is not taken."""
    import torch

    found = []
    for feature in features:

        def place(values: Any) -> Any:
            return projector(values[None, None])[0, 0]

        try:
            with torch.no_grad():
                jacobian = torch.func.jacfwd(place)(feature)
        except (RuntimeError, ValueError, IndexError, TypeError):  # it takes whole pictures alone
            return []
        values = torch.linalg.svdvals(jacobian.double())
        found.append(float(values[0] / values[-1].clamp(min=torch.finfo(values.dtype).tiny)))
    return found


def _weights(projector: Any) -> dict[str, float]:
    import torch

    found = {}
    for path, part in projector.named_modules():
        weight = getattr(part, "weight", None)
        if weight is not None and weight.dim() == 2 and "original_module" not in path:
            values = torch.linalg.svdvals(weight.detach().double())
            found[path.removeprefix("modules_to_save.default.")] = float(
                values[0] / values[-1].clamp(min=torch.finfo(values.dtype).tiny)
            )
    return found
