"""Library folders: films that are imported where they lie, and followed when they move."""
