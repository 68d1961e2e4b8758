"""Trains the stance classifier that ``judges/evidence/stance.py`` runs: (claim, passage) to a stance."""
