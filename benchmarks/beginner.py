"""The well-known beginner's tutorial as a script: JPEG files, one picture at a time, Redis."""

import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from redis import Redis
from redis.commands.search.field import NumericField, VectorField
from redis.commands.search.index_definition import IndexDefinition
from redis.commands.search.query import Query

from gallery.clip.types import Vector
from gallery.media import ffmpeg
from gallery.media.types import Picture

INDEX, PREFIX = "beginner", "beginner:"


class Beginner:
    """Plain transformers in float32, and a Redis server with RediSearch."""

    def __init__(self, model: Path, device: str, client: "Redis[bytes]") -> None:
        import torch
        from transformers import CLIPModel, CLIPProcessor

        self._torch, self._device, self._client = torch, device, client
        self._model: Any = CLIPModel.from_pretrained(model).to(device).eval()
        self._processor: Any = CLIPProcessor.from_pretrained(model)

    def vector(self, picture: Picture) -> Vector:
        """Embed one picture: shape (width,), float32, unit length."""
        inputs = self._processor(images=picture, return_tensors="pt").to(self._device)
        with self._torch.no_grad():
            row = self._model.get_image_features(**inputs).pooler_output[0]
        return np.asarray((row / row.norm()).cpu().numpy(), dtype=np.float32)

    def add(self, film: Path) -> int:
        """Make a film searchable. Return its number of frames."""
        with tempfile.TemporaryDirectory() as folder:
            command = [ffmpeg.binary(), "-v", "error", "-nostdin", "-i", str(film)]
            subprocess.run([*command, "-vf", "fps=1", f"{folder}/%06d.jpg"], check=True)
            paths = sorted(Path(folder).iterdir())
            for second, path in enumerate(paths):
                vector = self.vector(_opened(path)).tobytes()
                fields = {"second": second, "vector": vector}
                self._client.hset(f"{PREFIX}{path.stem}", mapping=fields)
        self._make_index(len(vector) // 4)
        assert self._nearest(vector) == len(paths) - 1, "the query finds another frame"
        return len(paths)

    def _make_index(self, width: int) -> None:
        options = {"TYPE": "FLOAT32", "DIM": width, "DISTANCE_METRIC": "COSINE"}
        self._client.ft(INDEX).create_index(
            [NumericField("second"), VectorField("vector", "FLAT", options)],
            definition=IndexDefinition(prefix=[PREFIX]),
        )
        while float(self._client.ft(INDEX).info()["percent_indexed"]) < 1:
            time.sleep(0.01)

    def _nearest(self, vector: bytes) -> int:
        """Return the second of the frame nearest to a vector."""
        query = Query("*=>[KNN 5 @vector $vector AS distance]").sort_by("distance")
        query = query.return_fields("second", "distance").dialect(2)
        found = self._client.ft(INDEX).search(query, {"vector": vector})
        return int(found.docs[0].second)

    def remove(self) -> None:
        """Remove the film."""
        self._client.ft(INDEX).dropindex(delete_documents=True)


def _opened(path: Path) -> Picture:
    with Image.open(path) as picture:
        picture.load()
        return picture
