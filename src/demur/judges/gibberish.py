"""Text without meaning, as erased or broken models write it: loops, few distinct words, broken characters.

After the inference filter of X-Boundary (https://github.com/AI45Lab/X-Boundary), where we differ:
no share of non-ASCII characters (languages are first-class), no perplexity (it needs a model), loops of
punctuation do not count (dash rules, dotted leaders, tables), a loop must make up most of the answer,
and the last, short window is tested too. Linear in the length of the text.

Cannot be told by these rules: real words in random order (neither loop nor repetition).
Design and measured false alarms: ``design/rules-judge.md``, ``docs/judges.md``.
"""

from __future__ import annotations

import re
import zlib
from typing import NamedTuple

#: Lengths of a repeated substring, in characters. X-Boundary, released filter.
PERIODS = range(3, 50)
#: Times in a row. X-Boundary, released filter.
REPEATS = 5
#: Share of the letters that must lie in loops. ours: a good answer with a refrain is no gibberish.
LOOP_SHARE = 0.5
#: Letters in loops at least. ours: laughter and "no, no, no, no, no" are shorter.
LOOP_LETTERS = 40
#: Letters looked at by the cheap test that spares nearly every answer the exact one, the length of the
#: piece that must come again within the longest period, and the share of letters where it does. ours: with
#: half the letters in loops of five it is 0.3 at least (tested at the boundary), in prose under 0.2.
PROBES = 120
PROBE_LENGTH = 4
PROBE_SHARE = 0.22  # ours: as above

#: Words a window. ours: X-Boundary tests chunks of 200 new tokens.
WINDOW = 200
#: Fewest words of a window, so that one distinct word is below the limit. ours.
MIN_WINDOW = 20
#: Distinct words below this share of the words. X-Boundary, released filter.
DISTINCT_SHARE = 0.10
#: Share of windows that must be poor in words. ours: half, as for loops.
POOR_WINDOWS = 0.5

#: Bytes that DEFLATE leaves of a byte of text: above it, neither loops over half of the letters nor windows
#: poor in words are possible. ours: prose leaves 0.5 to 0.6, half a loop of five under 0.4; tested.
INCOMPRESSIBLE = 0.45
#: Longer texts, in bytes, skip the cheap test. ours.
SAMPLE_BYTES = 1 << 16
#: Level of effort of the cheap test. ours: 15 microseconds an answer.
EFFORT = 1

#: Share of broken characters. ours: below it, encoding slips in a readable text.
BROKEN_SHARE = 0.2
#: Characters of signs only (such as "!!!!"), from this length on. ours.
MIN_SIGNS = 20

# Replacement character, control characters except white space, private use, lone surrogates.
_BROKEN = re.compile("[\ufffd\u0000-\u0008\u000e-\u001f\u007f-\u009f\ue000-\uf8ff\ud800-\udfff]")
_BROKEN_ASCII = bytes(code for code in range(128) if _BROKEN.match(chr(code)))
_WORD = re.compile(r"[^\W\d_]\w*")
# Signs that nobody writes alone; rules (---, ===, ...), leaders, table frames and emoji are not among them.
_SIGNS_ONLY = re.compile(r"[\s!?,;:()\[\]{}<>/\\\"'^%$&@\u3002\uff01\uff1f]+")
_TABLE_ROW = re.compile(r"^[ \t]*\|.*$", re.MULTILINE)


class Gibberish(NamedTuple):
    """Why a text is gibberish: the rule's name and where in the text it shows."""

    name: str
    start: int
    end: int


def find(text: str) -> Gibberish | None:
    """The first rule that says a text has no meaning, or ``None``.

    Args:
        text: a prepared answer (``judges.text``), without code and quotations.
    """
    if "|" in text:  # tables repeat by nature; blanks keep positions
        text = _TABLE_ROW.sub(lambda row: " " * len(row[0]), text)
    return (
        _broken(text) or _signs(text) or (_compressible(text) and (_loop(text) or _few_words(text))) or None
    )


def _compressible(text: str) -> bool:
    """The cheap test that spares nearly every answer the exact ones; texts too long for it pass."""
    raw = text.encode("utf-8", "surrogatepass")
    if len(raw) > SAMPLE_BYTES:
        return True
    return len(zlib.compress(raw, EFFORT)) < INCOMPRESSIBLE * len(raw) + 25  # ours: 25 bytes of overhead


def _broken(text: str) -> Gibberish | None:
    if text.isascii() and len(text.encode().translate(None, _BROKEN_ASCII)) == len(text):
        return None
    broken = _BROKEN.findall(text)
    if not broken or len(broken) < BROKEN_SHARE * len("".join(text.split())):
        return None
    first = text.index(broken[0])
    return Gibberish("broken_characters", first, first + 1)


def _signs(text: str) -> Gibberish | None:
    if _SIGNS_ONLY.fullmatch(text) and len("".join(text.split())) >= MIN_SIGNS:
        return Gibberish("signs_only", 0, len(text))
    return None


def _loop(text: str) -> Gibberish | None:
    """A substring of letters repeated in a row, over half of the answer."""
    if len(text) < LOOP_LETTERS or _varied(text):
        return None
    letters = sum(map(str.isalpha, text))
    return _looping(text, letters) if letters >= LOOP_LETTERS else None


def _varied(text: str) -> bool:
    """Whether a text surely has no such loop: what starts at most letters does not soon come again."""
    probes = [i for i in range(0, len(text), max(1, len(text) // PROBES)) if text[i].isalpha()]
    reach = PERIODS[-1] + PROBE_LENGTH
    again = sum(text.find(text[i : i + PROBE_LENGTH], i + 1, i + reach) != -1 for i in probes)
    return again < PROBE_SHARE * len(probes)


def _looping(text: str, letters: int) -> Gibberish | None:
    import numpy as np

    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    in_loop = np.zeros(len(codes), dtype=bool)
    first: tuple[int, int] | None = None
    for period in PERIODS:
        same = np.concatenate(([False], codes[period:] == codes[:-period], [False]))
        edges = np.flatnonzero(same[1:] != same[:-1])
        runs = edges.reshape(-1, 2)  # [start, end) of stretches equal to what stands a period later
        for start, end in runs[runs[:, 1] - runs[:, 0] >= (REPEATS - 1) * period].tolist():
            in_loop[start : end + period] = True
            first = min(first or (len(text), 0), (start, end + period))
    if first is None:
        return None
    alphabetic = np.fromiter(map(str.isalpha, text), dtype=bool, count=len(text))
    looping = int((in_loop & alphabetic).sum())
    if looping < max(LOOP_LETTERS, LOOP_SHARE * letters):
        return None
    return Gibberish("loop", *first)


def _few_words(text: str) -> Gibberish | None:
    """Windows of words of which under a tenth are distinct."""
    words = _WORD.findall(text.lower())
    starts = [i for i in range(0, len(words), WINDOW) if len(words) - i >= MIN_WINDOW]
    windows = [words[i : i + WINDOW] for i in starts]
    poor = [len(set(window)) < DISTINCT_SHARE * len(window) for window in windows]
    if sum(poor) < max(1, POOR_WINDOWS * len(poor)):
        return None
    first = poor.index(True)
    spans = [match.span() for match in _WORD.finditer(text)]
    last = min(starts[first] + WINDOW, len(spans)) - 1
    return Gibberish("few_distinct_words", spans[min(starts[first], last)][0], spans[last][1])
