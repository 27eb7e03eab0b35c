"""The demo CLIP model and the demo film: concepts, pictures, captions, training, evaluation."""
