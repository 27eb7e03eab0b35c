"""Scenes to take along: spans, clips, boards, and their exports."""
