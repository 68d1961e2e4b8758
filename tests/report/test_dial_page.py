"""The page of a dial: places of known shares, hostile names as text, and no promise where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from demur.measure.dial import Calibrated, Wanted, calibrate, setting_text
from demur.measure.dial_consistency import Consistency
from demur.metrics import proportion
from demur.models.control import NEVER, ControlTokens, Setting
from demur.page.plots import PLANE
from demur.report.dial_page import render_dial

TOKENS = ControlTokens("[respond]", {"refuse": "[refuse]"})


def calibrated(wanted: Wanted) -> Calibrated:
    """100 harmless prompts at 0.2 and 100 harmful ones at 0.8."""
    sides = [[{"[refuse]": p, "[respond]": 1 - p}] * 100 for p in (0.2, 0.8)]
    return calibrate(*sides, TOKENS, wanted)


def test_lines_fall_where_the_scores_are_and_the_promise_is_said() -> None:
    page = render_dial("a/<b>&", calibrated(Wanted(0.05)), None)
    top, bottom = PLANE.y(1.0), PLANE.y(0.0)
    harmless = f"L{PLANE.x(0.2)} {top}L{PLANE.x(0.21)} {bottom}L"
    harmful = f"L{PLANE.x(0.8)} {top}L{PLANE.x(0.81)} {bottom}L"
    assert page.count(harmless) == page.count(harmful) == 1
    assert "a/&lt;b&gt;&amp;" in page and "<b>" not in page
    assert "At most 5.0 % of new harmless prompts refused" in page
    assert "100.0 % [96.3, 100.0]" in page and "0.0 % [0.0, 3.7]" in page
    assert "set by hand" not in page and "Token and text" not in page


def test_a_threshold_by_hand_promises_nothing() -> None:
    text = Consistency(proportion(9, 10), proportion(0, 0))
    page = render_dial("m", calibrated(Wanted(threshold=NEVER)), text)
    assert "nothing is promised" in page and "At most" not in page
    assert "90.0 % [59.6, 98.2] of 10 texts after a refusal token, – of 0 after the respond token" in page


def test_little_mass_is_said() -> None:
    rows = [{"[refuse]": 0.1, "[respond]": 0.2, "Well": 0.7}] * 3
    page = render_dial("m", calibrate(rows, rows, TOKENS, Wanted(threshold=0.5)), None)
    assert "6 prompts have less than 0.9" in page and "least 0.300" in page


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (Setting("threshold", 0.25), "P(refuse) >= 0.25"),
        (Setting("sum", NEVER), "P(refuse): never"),
        (Setting("threshold", -1.0), "P(refuse) >= P(respond)"),
        (Setting("per_category", thresholds={"a": 0.5, "b": NEVER}), "P(a) >= 0.5, P(b): never"),
    ],
)
def test_settings_in_words(setting: Setting, said: str) -> None:
    assert setting_text(setting) == said


def test_the_upright_line_stands_at_the_setting() -> None:
    rng = np.random.default_rng(0)
    rows = [{"[refuse]": float(p), "[respond]": float(1 - p)} for p in rng.random(200)]
    page = render_dial("m", calibrate(rows, rows, TOKENS, Wanted(threshold=0.375)), None)
    assert f'class="diagonal" x1="{PLANE.x(0.375)}"' in page
    assert 'class="diagonal"' not in render_dial("m", calibrated(Wanted(threshold=NEVER)), None)


def test_without_control_tokens_the_page_says_what_read_the_prompts_and_what_the_promise_is_not() -> None:
    text = Consistency(proportion(9, 10), proportion(1, 10))
    page = render_dial("m", calibrated(Wanted(0.05)), text, "probe on layer <3>, AUC 0.9")
    assert "harmful prompts; probe on layer &lt;3&gt;, AUC 0.9. demur" in page
    assert "a plain answer can be a refusal of the model&#39;s own" in page or "of the model's own" in page
    assert "texts after a begun refusal" in page and "token" not in page.split("Token and text")[1][:300]
    assert "one forward pass each" not in page
