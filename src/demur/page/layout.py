"""How a page is built: templates with escaping always on, one stylesheet, one frame around all pages.

A room that draws a page keeps its templates in a folder of its own, extends ``layout.html`` and calls
``render``. Four rules hold for every template: values are escaped (Jinja2 autoescape, no exception),
characters that a browser would obey are spelled out (``escape.visible``), an undefined name is an error
(``StrictUndefined``), and the page carries the policy of ``policy.content_policy``. There is no script but on
pages of one item at a time (``page/items``), known by its hash.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from demur.page import plots
from demur.page.escape import one_line, shorten, visible
from demur.page.policy import content_policy

_HERE = Path(__file__).parent


def environment(*folders: Path) -> jinja2.Environment:
    """A Jinja2 environment that finds templates in ``folders`` first, then in ``page/templates``."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, _HERE / "templates"]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    env.filters["one_line"] = one_line
    env.filters["shorten"] = shorten
    env.globals.update(strip=plots.strip, ticks=plots.TICKS, plane=plots.PLANE)
    return env


def render(template: str, *folders: Path, **values: Any) -> str:
    """A whole page as text.

    Args:
        template: file name of a template that extends ``layout.html``.
        folders: where the caller's templates lie.
        values: what the template prints; ``title`` is required by the layout.

    Raises:
        jinja2.UndefinedError: a template names a value that is not there.
    """
    css = stylesheet()
    # The only text that is trusted as it stands: a file of this package.
    frame = {"stylesheet": Markup(css), "policy": content_policy(css)}
    return environment(*folders).get_template(template).render(frame | values)


@lru_cache(maxsize=1)
def stylesheet() -> str:
    """The one stylesheet, ``page/style.css``."""
    return (_HERE / "style.css").read_text(encoding="utf-8")


def _finalize(value: Any) -> Any:
    """Every value on its way into a page passes here, before it is escaped."""
    if isinstance(value, Markup):
        return value
    if value is None:
        return "–"
    return visible(value if isinstance(value, str) else str(value))
