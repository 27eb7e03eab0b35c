"""The model: it embeds frames and texts. The only package that imports torch."""
