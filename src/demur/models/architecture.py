"""The parts that every Hugging Face decoder has: its blocks, and what passes between them.

Layer 0 is what enters the first block (embeddings, with positions where a model adds them), layer l what
block l hands on. Hooks read this residual stream, so the last layer comes before the final norm, unlike the
last entry of ``output_hidden_states``. Past the depth there is an error, where lists of layers silently give
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from demur.errors import BadInput

#: What a hook sees of one layer; what it returns, if anything, goes on in its place.
See = Callable[[int, Tensor], Tensor | None]


def blocks(model: Any) -> list[nn.Module]:
    """The decoder's blocks in order.

    Raises:
        BadInput: no list of as many modules as the configuration has layers.
    """
    return list(_block_list(model)[1])


def name_of_blocks(model: Any) -> str:
    """How the list of blocks is called: ``layers``, in GPT-2 ``h``."""
    owner, every = _block_list(model)
    return next(str(name) for name, part in owner.named_children() if part is every)


def checked_layers(layers: Sequence[int] | None, depth: int) -> list[int]:
    """The layers asked for, or all from 0 to ``depth``.

    Raises:
        BadInput: none, or one outside.
    """
    chosen = list(range(depth + 1) if layers is None else layers)
    if not chosen or not all(0 <= layer <= depth for layer in chosen):
        raise BadInput(f"layers {chosen}: valid are 0 (what enters the first block) to {depth} (the last)")
    return chosen


@contextmanager
def watching(model: Any, layers: Sequence[int], see: See) -> Iterator[None]:
    """Show ``see`` the residual stream [batch, tokens, width] at these layers; hooks go with the block.

    Raises:
        BadInput: an unknown layer.
    """
    parts = blocks(model)
    chosen = checked_layers(layers, len(parts))
    with hooked() as handles:
        for layer in chosen:
            handles.append(
                on_output(parts[layer - 1], lambda h, at=layer: see(at, h))  # type: ignore[misc]
                if layer
                else on_input(parts[0], lambda h: see(0, h))
            )
        yield


@contextmanager
def cut(model: Any, kept: int) -> Iterator[None]:
    """Inside, the model has its first ``kept`` blocks alone; the others wait in main memory.

    What the kept blocks compute does not change: a decoder's block sees only what is below it.

    Raises:
        BadInput: ``kept`` is not from 1 to the depth.
    """
    owner, every = _block_list(model)
    config = model.config.get_text_config()
    if not 1 <= kept <= len(every):
        raise BadInput(f"kept is {kept}: valid are 1 to {len(every)} blocks")
    name = name_of_blocks(model)
    rest, homes = every[kept:], [next(iter(part.parameters())).device for part in every[kept:]]
    setattr(owner, name, every[:kept])
    config.num_hidden_layers = kept
    try:
        rest.to("cpu")
        yield
    finally:
        for part, home in zip(rest, homes, strict=True):
            part.to(home)
        setattr(owner, name, nn.ModuleList([*getattr(owner, name), *rest]))
        config.num_hidden_layers = len(every)


@contextmanager
def hooked() -> Iterator[list[Any]]:
    """A list of hook handles that are removed when the block ends, however it ends."""
    handles: list[Any] = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def on_output(module: nn.Module, change: Callable[[Tensor], Tensor | None]) -> Any:
    """Hook a module's output (of a tuple, the first part)."""

    def hook(_: nn.Module, __: Any, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output
        new = change(first)
        if new is None:
            return None
        return (new, *output[1:]) if isinstance(output, tuple) else new

    return module.register_forward_hook(hook)


def on_input(module: nn.Module, change: Callable[[Tensor], Tensor | None]) -> Any:
    """Hook a block's input, given by place or by name."""

    def hook(_: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        new = change(args[0] if args else named["hidden_states"])
        if new is None:
            return None
        return ((new, *args[1:]), named) if args else (args, {**named, "hidden_states": new})

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def _block_list(model: Any) -> tuple[nn.Module, nn.ModuleList]:
    """The module that holds the blocks, and their list."""
    depth = model.config.get_text_config().num_hidden_layers
    decoder = model.get_decoder()
    found = {
        name: part
        for name, part in decoder.named_modules()
        if isinstance(part, nn.ModuleList) and len(part) == depth
    }
    outermost = [name for name in found if not any(name.startswith(f"{other}.") for other in found)]
    if len(outermost) != 1:
        kind = type(model).__name__
        raise BadInput(
            f"{kind}: {len(outermost)} lists of {depth} blocks; exactly one is needed to read layers"
        )
    return decoder.get_submodule(outermost[0].rpartition(".")[0]), found[outermost[0]]
