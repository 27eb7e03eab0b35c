"""A demo CLIP of our own: the concepts, the pictures, the captions, the training, the check."""
