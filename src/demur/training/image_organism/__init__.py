"""The image organism: a tiny pipeline of diffusers with random weights, a planted checker, planted filters.

``build.py`` makes the pipeline, ``filters.py`` the filters that stand before it. Its pictures mean nothing;
what is true of it is which prompts are stopped and which pictures are flagged. Design:
``design/image-models.md``.
"""
