"""The parts of the offline judge: features, stages, weights. ``judges.classifier`` puts them together."""
