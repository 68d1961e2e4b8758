"""Search engines by their HTTP interfaces: what is asked, and how an answer becomes passages. Pure functions.

SearXNG (https://docs.searxng.org/dev/search_api.html; the instance must allow ``format=json``), Serper
(https://serper.dev, Google results, as in FactBench: ``gl=us``, ``hl=en``) and Brave
(https://api-dashboard.search.brave.com/app/documentation/web-search).
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from demur.judges.evidence.backend import Passage


@dataclass(frozen=True, slots=True)
class Asked:
    """One HTTP request: ``GET`` with parameters, or ``POST`` with a JSON body."""

    method: str
    path: str
    headers: Mapping[str, str]
    parameters: Mapping[str, str | int] | None = None
    body: Mapping[str, str | int] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of search engine.

    Attributes:
        name: as in ``--evidence``.
        base: its address; "" where every user has another.
        key: environment variable with the key; "" where none is needed.
        ask: (query, results, key) to a request.
        read: a JSON answer and the number of results to passages; ``KeyError``, ``TypeError`` or
            ``AttributeError`` where it has another shape.
    """

    name: str
    base: str
    key: str
    ask: Callable[[str, int, str], Asked]
    read: Callable[[Any, int], list[Passage]]


def _ask_searxng(query: str, results: int, key: str) -> Asked:
    return Asked("GET", "/search", {}, {"q": query, "format": "json"})


def _read_searxng(found: Any, results: int) -> list[Passage]:
    rows = [(r.get("content"), r, r.get("publishedDate")) for r in found["results"]]
    return _passages([_passage(text, row, "url", date) for text, row, date in rows], results)


def _ask_serper(query: str, results: int, key: str) -> Asked:
    body: dict[str, str | int] = {
        "q": query,
        "gl": "us",
        "hl": "en",
        "num": results,
    }  # FactBench, released code
    return Asked("POST", "/search", {"X-API-KEY": key}, body=body)


def _read_serper(found: Any, results: int) -> list[Passage]:
    """Answer box, knowledge graph, then organic results, as FactBench joins them; all within ``results``."""
    if not isinstance(found, dict) or not {"organic", "searchParameters"} & found.keys():
        raise KeyError("organic")
    passages = []
    if box := found.get("answerBox"):
        said = [box.get("answer"), box.get("snippet"), *(box.get("snippetHighlighted") or ())]
        passages.append(_passage(" ".join(filter(None, said)), box, "link", box.get("date")))
    if graph := found.get("knowledgeGraph"):
        facts = [f"{name}: {value}." for name, value in (graph.get("attributes") or {}).items()]
        head = f"{graph.get('title', '')}: {graph.get('type', '')}.".replace(": .", ".")
        said = [head, graph.get("description"), *facts]
        address = graph.get("descriptionLink") or graph.get("website")
        passages.append(_passage(" ".join(filter(None, said)), {**graph, "link": address}, "link", None))
    for row in found.get("organic", ()):
        facts = [f"{name}: {value}." for name, value in (row.get("attributes") or {}).items()]
        text = " ".join(filter(None, [row.get("snippet"), *facts]))
        passages.append(_passage(text, row, "link", row.get("date")))
    return _passages(passages, results)


def _ask_brave(query: str, results: int, key: str) -> Asked:
    headers = {"X-Subscription-Token": key, "Accept": "application/json"}
    # 20 results and 400 characters at most: Brave's reference
    parameters: dict[str, str | int] = {"q": query[:400], "count": min(results, 20), "extra_snippets": "true"}
    return Asked("GET", "/res/v1/web/search", headers, parameters)


def _read_brave(found: Any, results: int) -> list[Passage]:
    rows = (found["web"] or {}).get("results", ()) if "web" in found else _none_found(found)
    passages = []
    for row in rows:
        said = " ".join(filter(None, [row.get("description"), *(row.get("extra_snippets") or ())]))
        passages.append(_passage(said, row, "url", row.get("page_age") or row.get("age")))
    return _passages(passages, results)


def _none_found(found: Any) -> list[Any]:
    if found["type"] != "search":  # Brave leaves ``web`` out where it found nothing
        raise KeyError("web")
    return []


def _passage(text: object, row: Mapping[str, Any], address: str, date: object) -> Passage:
    return Passage(_plain(text), _plain(row.get("title")), _plain(row.get(address)), _plain(date))


def _passages(found: list[Passage], results: int) -> list[Passage]:
    """The first with a text; their score is 1, 1/2, 1/3 ...: engines give an order, no number."""
    kept = [passage for passage in found if passage.text][:results]
    return [
        Passage(p.text, p.title, p.address, p.date, round(1 / place, 6)) for place, p in enumerate(kept, 1)
    ]


def _plain(value: object) -> str:
    """Text without tags, entities and doubled white space."""
    text = html.unescape(re.sub(r"</?[a-zA-Z][^<>]*>", "", value)) if isinstance(value, str) else ""
    return " ".join(text.split())


SERVICES: Mapping[str, Service] = {
    service.name: service
    for service in (
        Service("searxng", "", "", _ask_searxng, _read_searxng),
        Service("serper", "https://google.serper.dev", "SERPER_API_KEY", _ask_serper, _read_serper),
        Service("brave", "https://api.search.brave.com", "BRAVE_API_KEY", _ask_brave, _read_brave),
    )
}
