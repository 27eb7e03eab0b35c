"""A second model, derived from a CLIP."""

import shutil
from pathlib import Path

PROJECTIONS = ("visual_projection.weight", "text_projection.weight")


def turned_clip(source: Path, folder: Path, kept: int = 256) -> Path:
    """Write a copy of a CLIP that gives similar results with incompatible vectors.

    Its vectors are rotated at random, and projected to `kept` dimensions. So the scores of the two
    models differ, and a picture of one and words of the other have a cosine around 0. Returns
    `folder`.
    """
    import torch
    from safetensors.torch import load_file, save_file

    shutil.copytree(source, folder)
    tensors = load_file(folder / "model.safetensors")
    width = tensors[PROJECTIONS[0]].shape[0]
    noise = torch.randn(width, width, generator=torch.Generator().manual_seed(5))
    turn, _upper = torch.linalg.qr(noise)
    turn[kept:] = 0
    for name in PROJECTIONS:
        turned = turn @ tensors[name].float()
        tensors[name] = turned.to(tensors[name].dtype).contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder
