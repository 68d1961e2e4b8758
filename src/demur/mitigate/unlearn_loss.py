"""What the unlearning recipe minimises: nine objectives over rows to forget, to retain and to decouple.

SafeEraser (Chen et al., https://arxiv.org/abs/2502.12520; weights after its code). NLL(D) is the mean of
-log p over the answer tokens of D; L_f, L_r, L_p of rows to forget, to retain, and of prompt decoupling (PD):

    ga    -L_f                       ga_pd    -L_f + 0.5 L_p
    gd    -L_f + L_r                 gd_pd    -L_f + 0.5 L_r + 0.5 L_p
    kl    -L_f + KL_r                kl_pd    -L_f + KL_r + L_p
    po    NLL(idk and retain rows)   po_pd    the same + L_p
    npo   NPO_f + L_r                (Zhang et al. 2024, https://arxiv.org/abs/2404.05868; no PD)

KL_r is KL(base || model) over all positions of the rows to retain, question and picture included. In ``po``
the refusals and the answers to retain have one mean, over the tokens of both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial, reduce
from operator import add
from typing import Any

from demur.errors import BadInput

FORGET, IDK, RETAIN, PD = STREAMS = ("forget", "idk", "retain", "pd")
#: Method -> weight of each term. SafeEraser's code; ``npo``: open-unlearning's weights 1 and 1.
METHODS: dict[str, dict[str, float]] = {
    "ga": {"ascent": 1.0},
    "gd": {"ascent": 1.0, "retain": 1.0},
    "kl": {"ascent": 1.0, "kl": 1.0},
    "po": {"preference": 1.0},
    "ga_pd": {"ascent": 1.0, "pd": 0.5},
    "gd_pd": {"ascent": 1.0, "retain": 0.5, "pd": 0.5},
    "kl_pd": {"ascent": 1.0, "kl": 1.0, "pd": 1.0},
    "po_pd": {"preference": 1.0, "pd": 1.0},
    "npo": {"npo": 1.0, "retain": 1.0},
}
#: Term -> the streams that it reads.
READS = {
    "ascent": (FORGET,),
    "npo": (FORGET,),
    "preference": (IDK, RETAIN),
    "retain": (RETAIN,),
    "kl": (RETAIN,),
    "pd": (PD,),
}


def check_method(method: str) -> None:
    """Raise :class:`BadInput` at an unknown method, listing the valid ones."""
    if method not in METHODS:
        raise BadInput(f"method is {method!r}; valid are {', '.join(METHODS)}")


def streams_of(method: str) -> tuple[str, ...]:
    """The streams that a method trains on, in the order of ``STREAMS``."""
    used = {stream for term in METHODS[method] for stream in READS[term]}
    return tuple(stream for stream in STREAMS if stream in used)


def objective(method: str, beta: float = 0.1, by_unit: bool = False, padded: bool = False) -> Any:
    """The recipe's :class:`~demur.training.objective.Objective`.

    Args:
        method: of ``METHODS``.
        beta: of ``npo``.
        by_unit: each unit (a row of each stream) has a mean of its own and all units weigh the same, as with
            the release's batches of one; else all tokens of a step weigh the same.
        padded: let padding count among the positions of ``kl``.

    Raises:
        BadInput: an unknown method.
    """
    from demur.training.objective import Objective, Term

    check_method(method)
    terms = []
    for name in METHODS[method]:
        sums = partial(_rows, name=name, beta=beta, padded=padded)
        whole = name == "npo" or by_unit  # npo is over rows however rows are weighed
        terms.append(Term(name, partial(_loss, sums=sums, by_unit=whole), _counter(name, whole, padded)))
    weights = METHODS[method]
    return Objective(
        streams_of(method),
        tuple(terms),
        lambda step: weights,
        logits=True,
        reference=bool({"kl", "npo"} & set(weights)),
    )


def _loss(views: Any, sums: Callable[[Any], list[Any]], by_unit: bool) -> Any:
    """A term over a batch: one sum over all tokens, or the sum of each unit's mean over units."""
    from demur.training.losses import Sum

    found = sums(views)
    whole = reduce(add, found)
    if not by_unit:
        return whole
    return Sum(reduce(add, [part.mean for part in found]), whole.count.new_tensor(len(found)))


def _rows(views: Mapping[str, Any], name: str, beta: float, padded: bool) -> list[Any]:
    """A term's sum and count for each unit of a batch."""
    from demur.training import losses

    view = views[READS[name][0]]
    rows = [slice(i, i + 1) for i in range(len(view.labels))]
    if name == "npo":
        said, before = (
            losses.answer_log_probabilities(logits, view.labels)
            for logits in (view.logits, view.reference_logits)
        )
        return [losses.npo(said[row], before[row], beta) for row in rows]
    if name == "kl":
        mask = _positions(view, padded)
        return [losses.kl(view.logits[row], view.reference_logits[row], mask[row]) for row in rows]
    if name == "ascent":
        return [losses.ascent(view.logits[row], view.labels[row]) for row in rows]
    parts = [views[stream] for stream in READS[name]]
    return [reduce(add, [losses.nll(part.logits[row], part.labels[row]) for part in parts]) for row in rows]


def _counter(name: str, by_unit: bool, padded: bool) -> Callable[[Any], Any]:
    """What :func:`_loss` divides by, from labels and masks alone."""

    def count(views: Any) -> Any:
        from demur.training.losses import predicting

        view = views[READS[name][0]]
        if by_unit:
            return view.labels.new_tensor(len(view.labels))
        if name == "kl":
            return _positions(view, padded).sum()
        return sum(predicting(views[stream].labels).sum() for stream in READS[name])

    return count


def _positions(view: Any, padded: bool) -> Any:
    import torch

    return torch.ones_like(view.real) if padded else view.real
