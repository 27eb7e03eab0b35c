"""Vectors in Redis: the index of frames, what lies near, and what a query points at."""
