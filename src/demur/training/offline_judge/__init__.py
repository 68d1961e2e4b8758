"""Trains the offline judge that ``judges.classifier`` runs: ``python -m demur.training.offline_judge``."""
