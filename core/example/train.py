"""Trains the example's model and writes ``digits.onnx`` and ``digits.zip`` beside this file.

Both are committed, so nobody needs to run this. It wants torch, onnxscript and scikit-learn, which
the app does not, and takes about two minutes on one core:

    python -m core.example.train
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn

from core.example import DATA_PATH, MODEL_PATH, PREPROCESSING

SEED = 0
TRAINING_SAMPLES = 600
EPOCHS = 30
BATCH = 50
LAYERS = ((1, 48, 1), (48, 48, 1), (48, 96, 2), (96, 96, 1), (96, 96, 2))
"""Channels in, channels out and stride of each 3x3 convolution."""


def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """All 1,797 images, shape ``(n, 32, 32)``, and their labels, in a seeded order."""
    raw = load_digits()
    size = (PREPROCESSING.width, PREPROCESSING.height)
    images = [
        np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
        for image in (raw.images * 255 / 16).round().astype(np.uint8)
    ]
    order = np.random.default_rng(SEED).permutation(len(images))
    return np.stack(images)[order], raw.target[order].astype(np.int64)


def build() -> Any:
    """Convolution, batch norm and ReLU five times, then the mean over the image and 10 logits."""
    layers: list[Any] = []
    for inputs, outputs, stride in LAYERS:
        convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(outputs, 10))


def fit(
    model: Any, inputs: Any, labels: Any, epochs: int, rate: float = 4e-3, shift: int = 3
) -> None:
    """Trains a classifier; images ``(n, 1, h, w)`` are shifted by up to ``shift`` pixels."""
    generator = torch.Generator().manual_seed(SEED)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-2)
    steps = epochs * -(-len(inputs) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps)
    model.train()
    for _ in range(epochs):
        for batch in torch.randperm(len(inputs), generator=generator).split(BATCH):
            samples = inputs[batch]
            if shift:
                by = torch.randint(-shift, shift + 1, (2,), generator=generator).tolist()
                samples = torch.roll(samples, by, (2, 3))
            loss = nn.functional.cross_entropy(model(samples), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


def accuracy(model: Any, inputs: Any, labels: Any) -> float:
    """Share of right answers, 0 to 1."""
    with torch.no_grad():
        return float((model(inputs).argmax(1) == labels).float().mean())


def export(model: Any, inputs: dict[str, Any], path: Path, *, external_data: bool = False) -> None:
    """Writes ``model`` as ONNX with the given inputs, one output ``logits`` and a symbolic batch.

    With ``external_data`` the weights go into a second file, ``<path>.data``: what the exporter
    does by itself even for a small model.
    """
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        model.eval(),
        # Two samples, because the exporter takes a size of one for a constant.
        tuple(sample[:1].repeat(2, *[1] * (sample.ndim - 1)) for sample in inputs.values()),
        input_names=list(inputs),
        output_names=["logits"],
        dynamic_shapes=tuple({0: batch} for _ in inputs),
        dynamo=True,
        verbose=False,
    )
    graph = program.model.graph
    values = [*graph.inputs, *graph.initializers.values()]
    for node in graph:
        values += node.outputs
    # The notes on where each part came from hold paths of the computer that exported it.
    for part in (program.model, graph, *graph, *values):
        part.metadata_props.clear()
        part.doc_string = None
    program.save(path, external_data=external_data)


def write_class_folders(
    path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64], mode: str = "L"
) -> None:
    """Zips images as PNGs in a folder per class, byte for byte the same each time."""
    with zipfile.ZipFile(path, "w") as archive:
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            png = io.BytesIO()
            Image.fromarray(image).convert(mode).save(png, "PNG", optimize=True)
            archive.writestr(zipfile.ZipInfo(f"{label}/{index:04d}.png"), png.getvalue())


def main() -> None:
    """Trains, exports and says how good the model is on the images it never saw."""
    torch.set_num_threads(1)  # the order of sums, so the weights, depends on the threads
    torch.manual_seed(SEED)
    images, labels = digits()
    inputs = torch.from_numpy(images)[:, None].float() * PREPROCESSING.scale
    targets = torch.from_numpy(labels)
    seen, unseen = slice(None, TRAINING_SAMPLES), slice(TRAINING_SAMPLES, None)

    model = build()
    fit(model, inputs[seen], targets[seen], EPOCHS)
    export(model, {"input": inputs}, MODEL_PATH)
    write_class_folders(DATA_PATH, images[unseen], labels[unseen])
    share = accuracy(model, inputs[unseen], targets[unseen])
    print(f"{share:.2%} right of {len(labels[unseen])} unseen images")
    print(f"{MODEL_PATH.stat().st_size:,} bytes of model, {DATA_PATH.stat().st_size:,} of data")


if __name__ == "__main__":
    main()
