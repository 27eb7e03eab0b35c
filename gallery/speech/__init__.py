"""Recognizes speech: whether there is any, its language, and its words."""
