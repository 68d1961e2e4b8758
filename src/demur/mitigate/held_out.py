"""Which prompts a recipe does not train on: by hash and seed, whatever the order of files."""

from __future__ import annotations

import zlib

from demur.data.records import Prompt, prompt_id


def is_held_out(prompt: Prompt, share: float, seed: int) -> bool:
    """Whether a prompt is kept back, by how its conversation opens: nothing that opens so is on both sides.

    Args:
        prompt: text or messages.
        share: of all openings, from 0 to below 1.
        seed: another one keeps others back.
    """
    opening = prompt
    if not isinstance(opening, str):
        opening = [next(message for message in opening if message["role"] == "user")]
    return zlib.crc32(f"{seed}|{prompt_id(opening)}".encode()) / 2**32 < share
