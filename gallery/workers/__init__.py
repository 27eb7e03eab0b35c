"""The workers of an installation: what they need, what they do, and how fast they are."""
