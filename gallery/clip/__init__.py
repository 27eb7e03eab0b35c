"""The model, and what it makes of frames and words. The only place that knows torch."""
