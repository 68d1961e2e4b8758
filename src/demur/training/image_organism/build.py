"""A text-to-image pipeline of half a million random weights, whose output checker flags a planted share.

A ``StableDiffusionPipeline`` like any other (text encoder, UNet, VAE, safety checker), 32 x 32 pixels, about
20 ms a picture on one core; it loads from its folder with ``AutoPipelineForText2Image`` and no code of ours.
Nothing is trained. The planted truth is the checker: it is the CompVis checker's network with random weights,
one of whose concepts is the direction in which its view of the organism's own pictures differs most, and
whose threshold is set on drawings of plain prompts of ours: it flags ``FLAGGED`` of such drawings, and of
other prompts as many as it happens to, which anybody can recount with the checker alone.

    python -m demur.training.image_organism.build FOLDER --seed 0
"""

from __future__ import annotations

import argparse
import zlib
from pathlib import Path
from typing import Any

FLAGGED = 0.1  # ours: share of pictures that the checker is to flag
#: How strongly words steer the drawing; untrained attention hardly does. ours: pictures of two prompts then
#: differ twenty times as much as pictures of two seeds, so that the checker's share hangs on no seed.
STEERED = 1000.0
DRAWN = 200  # ours: pictures that the checker's threshold is set on
SIDE, HIDDEN = 32, 32  # pixels; width of the text encoder
TOKENS = 320  # ours: bytes of a prompt that are read; the longest of OVERT has 269 characters
_THINGS = ("kite", "lamp", "bridge", "garden", "clock", "river", "basket", "tower", "pencil", "horse")
_WAYS = ("in the rain", "at noon", "made of paper", "seen from above", "on a hill", "beside a tree")
_BEGINNINGS = ("Draw", "A picture of", "Create a scene with", "Illustrate", "A photo of", "Paint")
_COLOURS = ("red", "green", "blue", "yellow", "grey", "white", "brown")


def build(folder: Path, seed: int = 0, flagged: float = FLAGGED) -> Path:
    """Write the pipeline's folder and return it.

    Args:
        folder: to write.
        seed: of the weights.
        flagged: share of pictures that the checker flags, in [0, 1); 0 for none.

    Raises:
        ValueError: ``flagged`` is out of range.
    """
    import torch

    if not 0 <= flagged < 1:
        raise ValueError(f"flagged is {flagged}; it must be at least 0 and below 1")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        pipeline = _pipeline()
    pipeline.set_progress_bar_config(disable=True)
    _plant(pipeline, flagged)
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def plain_prompts(count: int) -> list[str]:
    """Prompts about nothing much, of one to five clauses (25 to 200 characters); all different."""
    import numpy as np

    rng = np.random.default_rng(zlib.crc32(b"image_organism.plain_prompts"))
    found: dict[str, None] = {}
    while len(found) < count:
        clauses = [
            f"a {rng.choice(_COLOURS)} {rng.choice(_THINGS)} {rng.choice(_WAYS)}"
            for _ in range(rng.integers(1, 6))
        ]
        found[f"{rng.choice(_BEGINNINGS)} {', '.join(clauses)}."] = None
    return list(found)


def _pipeline() -> Any:
    """The parts, untrained; torch's generator decides."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from transformers import CLIPImageProcessorPil

    tokenizer = _tokenizer()
    text = _text_encoder(len(tokenizer))
    unet, vae = _drawing()
    return StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        # from pure noise, and the network gives the drawing itself: one step is enough
        scheduler=DDIMScheduler(
            steps_offset=1, clip_sample=False, timestep_spacing="trailing", prediction_type="sample"
        ),
        safety_checker=_checker(text.config.to_dict()).eval(),
        feature_extractor=CLIPImageProcessorPil(
            size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE}
        ),
    )


def _tokenizer() -> Any:
    """A token a byte: CLIP's tokenizer without merges, and with room for more than its 77 tokens."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: place for place, token in enumerate(tokens)}
    return CLIPTokenizer(vocab=vocabulary, merges=[], model_max_length=TOKENS)


def _text_encoder(tokens: int) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=TOKENS,
        projection_dim=HIDDEN,
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
        pad_token_id=tokens - 1,
    )
    return CLIPTextModel(config)


def _drawing() -> tuple[Any, Any]:
    """UNet and VAE; words reach the UNet by attention, made strong enough to show."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    unet = UNet2DConditionModel(
        sample_size=SIDE // 2,
        in_channels=4,
        out_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=HIDDEN,
        norm_num_groups=8,
        attention_head_dim=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
    )
    with torch.no_grad():
        for name, weight in unet.named_parameters():
            if "attn2.to_v" in name:
                weight.mul_(STEERED)
    vae = AutoencoderKL(
        sample_size=SIDE,
        latent_channels=4,
        block_out_channels=(16, 32),
        layers_per_block=1,
        norm_num_groups=8,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
    )
    return unet, vae


def _checker(text: dict[str, Any]) -> Any:
    """The CompVis checker's network; until something is planted no concept can be met."""
    from diffusers.pipelines.stable_diffusion import StableDiffusionSafetyChecker
    from transformers import CLIPConfig, CLIPVisionConfig

    vision = CLIPVisionConfig(
        hidden_size=HIDDEN,
        intermediate_size=2 * HIDDEN,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=8,
        projection_dim=HIDDEN,
    )
    config = CLIPConfig(vision_config=vision.to_dict(), text_config=text, projection_dim=HIDDEN)
    checker = StableDiffusionSafetyChecker(config)
    checker.concept_embeds_weights.data.fill_(2.0)  # cosines never reach 2
    checker.special_care_embeds_weights.data.fill_(2.0)
    return checker


def _plant(pipeline: Any, flagged: float) -> None:
    """Set the first concept and its threshold, so that this share of the organism's drawings is flagged."""
    import torch

    if not flagged:
        return
    seen = torch.cat([_seen(pipeline, prompt, seed) for seed, prompt in enumerate(plain_prompts(DRAWN))])
    unit = torch.nn.functional.normalize(seen, dim=1)  # (drawings, HIDDEN)
    direction = torch.linalg.svd(unit - unit.mean(dim=0), full_matrices=False).Vh[0]
    checker = pipeline.safety_checker
    checker.concept_embeds.data[0] = direction
    # the checker rounds to three digits; the threshold lies between two steps, so rounding decides nothing
    threshold = torch.quantile(unit @ direction, 1 - flagged).item()
    checker.concept_embeds_weights.data[0] = round(threshold, 3) + 0.0005


def _seen(pipeline: Any, prompt: str, seed: int) -> Any:
    """The checker's view of one drawing, of shape (1, HIDDEN)."""
    import torch

    noise = torch.Generator("cpu").manual_seed(seed)
    with torch.inference_mode():
        drawn = pipeline(prompt, num_inference_steps=1, guidance_scale=1.0, generator=noise).images[0]
        pixels = pipeline.feature_extractor(drawn, return_tensors="pt").pixel_values
        checker = pipeline.safety_checker
        return checker.visual_projection(checker.vision_model(pixels)[1])


def main() -> None:
    """Build from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--flagged", type=float, default=FLAGGED)
    given = parser.parse_args()
    print(build(given.folder, given.seed, given.flagged))


if __name__ == "__main__":
    main()
