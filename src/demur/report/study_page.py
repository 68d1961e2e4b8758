"""The page of a study: its tables, and what it is made of. How to read it: ``docs/pictures.md``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import demur
from demur.data.records import write_text
from demur.page.layout import render
from demur.report import wording
from demur.report.sections import drawn, pieces

_TEMPLATES = Path(__file__).parent / "templates"


def write_study(study: Mapping[str, Any], output: Path) -> Path:
    """Write the page of ``study.json``, whole or not at all; returns ``output``."""
    write_text(output, render_study(study))
    return output


def render_study(study: Mapping[str, Any]) -> str:
    """The page as text."""
    return render(
        "study_page.html",
        _TEMPLATES,
        title=f"{study['study'].replace('-', ' ').capitalize()} of {study['model']}",
        study=study,
        facts={name: study[name] for name in ("settings", "passes", "versions", "files") if study.get(name)},
        drawn=drawn,
        pieces=pieces,
        words=wording,
        version=demur.__version__,
    )
