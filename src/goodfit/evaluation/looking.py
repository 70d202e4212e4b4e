"""Where a network looks in a picture while it writes each word of its caption: pictures for the report.

B pictures, T words, S places, C channels, H pixels to either side.
"""

from __future__ import annotations

import base64
import io
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from goodfit.data.batches import Batches
from goodfit.data.dataset import Dataset
from goodfit.data.encoder import Encoder
from goodfit.tasks.sequence import FIRST, NONE, START

MOST = 4  # pictures: what a reader looks at
_SIDE = 96  # pixels of a picture in the page
_DARK = 0.2  # brightness of what is not looked at


def looks(network: nn.Module, encoder: Encoder, data: Dataset, rows: np.ndarray, said: np.ndarray) -> list[dict[str, Any]]:
    """network: models.captioner or models.caption_rnn. [{"row", "actual", "words": [{"word", "image"}]}] of the first pictures among `rows`; said: [n, any] codes of what was written of them.

    image: the picture as a PNG of 96 x 96 pixels in a data URI, dark where the word was not found, the mean over blocks and heads.
    """
    chosen = np.flatnonzero((said != NONE).any(1))[:MOST]
    if not chosen.size:
        return []
    encoded = encoder.encode(data, rows[chosen], with_target=False)
    batch = Batches(encoded, np.arange(chosen.size), batch_size=chosen.size, seed=0, shuffle=False, inputs=encoder.inputs).batch(0, 0)
    codes = torch.from_numpy(said[chosen].astype(np.int64))
    read = F.pad(torch.where(codes == NONE, 0, codes + FIRST), (1, 0), value=START)[:, :-1]
    with torch.no_grad():
        device = next(network.parameters()).device
        weights = cast(Any, network).with_weights(image=batch.inputs["image"].to(device), target=read.to(device))[1].float().cpu()
    weights = weights.mean((1, 2)) if weights.dim() == 5 else weights  # B L A T S -> B T S
    pixels = encoded.inputs["image"]
    assert isinstance(pixels, Tensor)
    captions = data.take(rows[chosen], encoder.target.names).to_series()
    words = encoder.target.classes or ()
    return [
        {
            "row": data.place(int(rows[position]))[1],
            "actual": captions[index],
            "words": [
                {"word": str(words[int(code)]), "image": _shaded(pixels[index], weights[index, step])}
                for step, code in enumerate(said[position])
                if code != NONE
            ],
        }
        for index, position in enumerate(chosen)
    ]


def _shaded(pixels: Tensor, weights: Tensor) -> str:
    """uint8 [C, H, H] and weights [S] -> a data URI."""
    from PIL import Image

    side = round(len(weights) ** 0.5)
    light = (weights / weights.max().clamp_min(1e-12)).view(1, 1, side, side)
    light = F.interpolate(light, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)[0]  # 1 96 96
    picture = F.interpolate(pixels.float().unsqueeze(0), size=(_SIDE, _SIDE), mode="nearest")[0] * (_DARK + (1 - _DARK) * light)
    values = picture.round().clamp(0, 255).to(torch.uint8).permute(1, 2, 0).numpy()  # 96 96 C
    content = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values if values.shape[2] == 3 else values[..., 0])).save(content, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()
