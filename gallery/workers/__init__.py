"""The workers of an installation: start checks, heartbeats, status and metrics."""
