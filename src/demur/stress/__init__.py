"""Hard tests that a model has not seen: found in logs, searched for, or written from a policy."""
