"""Zero-shot labels: looked at, computed for all films, kept in the index."""
