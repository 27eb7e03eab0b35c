"""Vectors in Redis: connections, the frame index, and what it contains."""
