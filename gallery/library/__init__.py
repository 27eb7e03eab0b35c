"""Library folders: films are imported in place, and tracked when they move."""
