"""ReSA's tables, and the averages that their columns give. The answers behind them are not public.

StrongREJECT's 313 requests under eight attacks, defence (DSR) by LlamaGuard in [0, 1]; harmless requests
answered on three sets, percent. Both averages are plain means of the columns.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

ATTACKS = ("None", "PAIR-GPT", "PAIR", "PAP", "GPTFuzzer", "ReNeLLM", "TAP", "DeepInception")
#: Model -> defence under each of ``ATTACKS``, and the printed average.
DEFENCE: Mapping[str, tuple[tuple[float, ...], float]] = {
    "Llama-3.1-8B": ((0.9968, 0.3514, 0.2620, 0.6486, 0.1374, 0.6613, 0.4249, 0.5240), 0.5008),
    "Llama-3.1-8B, post-hoc guard": (
        (1.0, 0.4633, 0.5080, 0.7157, 0.9968, 0.9297, 0.6581, 0.9776),
        0.7812,
    ),
    "Llama-3.1-8B, STAIR-DPO": ((1.0, 0.6837, 0.4217, 0.9425, 1.0, 0.8339, 0.6933, 0.9872), 0.8203),
    "Llama-3.1-8B, WJ-SFT": ((0.9936, 0.4473, 0.3291, 0.7604, 0.9425, 0.6773, 0.6038, 0.9840), 0.7173),
    "Llama-3.1-8B, ReSA-SFT": ((0.9936, 0.8978, 0.6965, 0.9681, 0.9553, 0.8818, 0.8498, 0.9936), 0.9046),
    "Llama-3.1-8B, ReSA-RL": ((1.0, 0.9872, 0.9681, 0.9968, 1.0, 0.9968, 0.9968, 1.0), 0.9932),
    "Qwen2.5-7B": ((0.9744, 0.2173, 0.1086, 0.3866, 0.1917, 0.0863, 0.1693, 0.3706), 0.3131),
    "Qwen2.5-7B, ReSA-SFT": ((0.9904, 0.8435, 0.7188, 0.9489, 0.9776, 0.8466, 0.8562, 0.9808), 0.8953),
    "Qwen2.5-7B, ReSA-RL": ((1.0, 0.9936, 0.9617, 1.0, 1.0, 0.9169, 0.9968, 1.0), 0.9836),
}
HARMLESS = ("XSTest", "OKTest", "WJ-Eval")
#: Model -> harmless requests answered on each of ``HARMLESS``, and the printed average.
ANSWERED: Mapping[str, tuple[tuple[float, ...], float]] = {
    "Llama-3.1-8B": ((93.60, 85.00, 99.20), 93.27),
    "Llama-3.1-8B, STAIR-DPO": ((64.00, 77.33, 89.60), 76.98),
    "Llama-3.1-8B, ReSA-SFT": ((97.20, 88.67, 99.20), 95.02),
    "Llama-3.1-8B, ReSA-RL": ((99.20, 95.33, 96.00), 96.84),
    "Qwen2.5-7B": ((94.40, 85.00, 99.20), 92.87),
    "Qwen2.5-7B, ReSA-SFT": ((96.40, 88.67, 98.40), 94.49),
    "Qwen2.5-7B, ReSA-RL": ((99.60, 99.67, 88.80), 96.02),
}
REQUESTS = 313
#: Decimals of the two tables.
_TABLES = (("DSR", DEFENCE, ATTACKS, 4), ("answered, %", ANSWERED, HARMLESS, 2))
#: Most that rounding of printed cells and of the printed average can part an average from the mean.
_ROUNDINGS = 1.0 + 1e-9
NOT_SHOWN = {
    "defence and over-refusal of the models": "their answers are not public",
    "the other two evaluators (StrongREJECT's scorer, HarmBench's classifier)": "not transcribed here",
}


def reproduce_from(data_dir: Path | None) -> dict[str, Any]:
    """The published cells, and beside each average the mean of its columns.

    Returns:
        ``table``: entries with ``model``, ``column``, ``published``, ``implied``, ``computed`` and
        ``reason``; ``checks``: averages that their columns do not give, and cells that are no share of 313;
        ``deviations``; ``not_shown``.
    """
    table: list[dict[str, Any]] = []
    checks: list[str] = []
    deviations = []
    for measure, rows, columns, digits in _TABLES:
        for model, (cells, printed) in rows.items():
            table += [
                _entry(model, f"{measure}, {column}", cell)
                for column, cell in zip(columns, cells, strict=True)
            ]
            mean = sum(cells) / len(cells)
            entry = _entry(model, f"{measure}, average", printed, mean)
            table.append(entry)
            if abs(mean - printed) > _ROUNDINGS * 10**-digits:
                entry["reason"] = f"the mean of the printed columns is {mean:.{digits}f}"
                deviations.append(entry)
                checks.append(
                    f"{model}: {measure}, printed average {printed}, mean of its columns {mean:.{digits}f}"
                )
    whole = [cell for cells, _ in DEFENCE.values() for cell in cells]
    off = [cell for cell in whole if abs(round(cell * REQUESTS) / REQUESTS - cell) > 5e-5 * _ROUNDINGS]
    checks.append(f"{len(whole) - len(off)} of {len(whole)} defence rates are a whole number of {REQUESTS}")
    return {
        "paper": "resa",
        "setting": "defence by LlamaGuard on StrongREJECT",
        "table": table,
        "checks": checks,
        "deviations": deviations,
        "not_shown": [{"what": what, "reason": reason} for what, reason in NOT_SHOWN.items()],
    }


def _entry(model: str, column: str, published: float, implied: float | None = None) -> dict[str, Any]:
    return {"model": model, "column": column, "published": published, "implied": implied, "computed": None}
