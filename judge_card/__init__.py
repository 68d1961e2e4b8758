"""The model card of the trained judge: every figure from one command, ``make judge-card``.

    python -m judge_card --data-dir ../shared/data

Writes docs/judge-card.json (every figure with n, count and interval), docs/judge-card.md and
docs/judge-card.html. Held-out predictions come from judge_card/held_out.npz, which the training writes;
everything else is judged live with the shipped weights.
"""
