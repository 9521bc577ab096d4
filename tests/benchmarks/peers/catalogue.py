"""The tools that people quantize ONNX models with, and the recipes each is run with."""

from __future__ import annotations

from dataclasses import dataclass

TORCH = "torch==2.13.0"
"""Pinned where a peer wants torch."""


@dataclass(frozen=True)
class Peer:
    """A tool with an environment of its own; it never becomes a dependency."""

    name: str
    """Also of its environment's folder and, with ``run_``, of the script that runs there."""
    package: str
    """The one whose version is shown."""
    requirements: tuple[str, ...]
    recipes: tuple[str, ...]

    @property
    def script(self) -> str:
        """The file among the runners."""
        return f"run_{self.name.replace('-', '_')}.py"


PEERS = (
    Peer(
        name="onnxruntime",
        package="onnxruntime",
        requirements=("onnxruntime==1.32.0", "onnx==1.23.2", "sympy"),
        recipes=(
            "static, defaults",
            "static, U8/S8 per channel",
            "dynamic, defaults",
            "dynamic, per channel",
        ),
    ),
    Peer(
        name="olive",
        package="olive-ai",
        requirements=("olive-ai==0.13.0", "onnxruntime==1.32.0", TORCH, "requests"),
        recipes=(
            "static, defaults",
            "static, U8/S8 per channel",
            "dynamic, defaults",
            "dynamic, per channel",
        ),
    ),
    Peer(
        name="onnx-neural-compressor",
        package="onnx-neural-compressor",
        # The last two it imports without asking for them.
        requirements=(
            "onnx-neural-compressor==1.0",
            "onnxruntime==1.32.0",
            "prettytable",
            "scipy",
        ),
        recipes=(
            "static, defaults",
            "static, QDQ per channel",
            "dynamic, defaults",
            "dynamic, per channel",
            "static, its tuning",
            "dynamic, its tuning",
        ),
    ),
    Peer(
        name="neural-compressor",
        package="neural-compressor",
        # Of its own time: later ones refuse the shapes it leaves behind.
        requirements=("neural-compressor==2.6", "onnxruntime==1.18.1", "onnx==1.16.2", "six"),
        recipes=("static, defaults", "dynamic, defaults"),
    ),
    Peer(
        name="nncf",
        package="nncf",
        requirements=("nncf==3.4.0", "onnx==1.23.2", "onnxruntime==1.32.0"),
        recipes=(
            "static, defaults",
            "static, mixed preset",
            "static, transformer",
            "static, accuracy control",
        ),
    ),
    Peer(
        name="quark",
        package="amd-quark",
        requirements=("amd-quark==0.13", "onnxruntime==1.32.0", TORCH),
        recipes=("U8S8_AAWS", "INT8_CNN_DEFAULT", "INT8_TRANSFORMER_DEFAULT"),
    ),
    Peer(
        name="modelopt",
        package="nvidia-modelopt",
        requirements=("nvidia-modelopt[onnx]==0.47.0", TORCH),
        recipes=("int8, entropy", "int8, max"),
    ),
)
