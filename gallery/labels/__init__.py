"""Labels: zero-shot names of scenes."""
