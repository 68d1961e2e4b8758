"""Trains the offline judge of requests in ``judges.safety``: ``python -m demur.training.safety_judge``."""
