"""Times each block of several forms of a model with onnxruntime's profiler.

What runs is not what the file says: onnxruntime fuses nodes, changes the layout, and adds
conversions. So the optimised graph is read along with the profile, and each of its nodes is
traced back to the block that it came from; a conversion counts for the block that needs it.
"""

from __future__ import annotations

import json
import re
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import median
from typing import Any, Final

import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import NodeProto

from core.quantization.graph import Graph
from core.quantization.sensitivity.blocks import Block
from core.records import Deployment
from core.sandbox import model_errors
from core.sandbox.session import PROVIDER, session_options

_FATAL: Final = 4
_WARM_UP_RUNS: Final = 3
_FEWEST_RUNS: Final = 5
_MOST_RUNS: Final = 200
_MOST_TIMINGS: Final = 40_000
"""Of single nodes, in each profile: the profiler writes a kilobyte for each."""
_SUFFIX: Final = "_kernel_time"
_FUSED: Final = "fused "
_ENDING: Final = re.compile(r"(?:^|[_/:])[^_/:]*$")
# Needed by whoever reads what they write, and by whoever wrote what they read.
_FOR_READERS: Final = frozenset({"QuantizeLinear", "ReorderInput", "Transpose"})
_FOR_WRITERS: Final = frozenset({"DequantizeLinear", "ReorderOutput"})


@dataclass(frozen=True, slots=True)
class RunTimes:
    """Where the time of one run goes, in milliseconds.

    Attributes:
        blocks: By the block's name; those of which nothing is left are missing.
        op_types: By onnxruntime's operator type, fused ones included; largest first.
    """

    blocks: Mapping[str, float]
    op_types: Mapping[str, float]


def block_latency(
    baseline: Path,
    others: Sequence[Path],
    blocks: Sequence[Block],
    feeds: Mapping[str, NDArray[Any]],
    deployment: Deployment,
    budget_s: float,
) -> tuple[RunTimes, ...]:
    """Times the models in turn, run by run, so that what disturbs one disturbs the others.

    Args:
        baseline: FP32 model, prepared.
        others: QDQ models made of it.
        blocks: Of the FP32 model.
        feeds: Inputs of one run, by name.
        deployment: Decides the sessions' options.
        budget_s: Seconds after which no further run starts.

    Returns:
        Median times of each model, the FP32 one first.

    Raises:
        BadInput: onnxruntime refuses one of them.
    """
    graph = Graph(onnx.load(baseline, load_external_data=False))
    with tempfile.TemporaryDirectory() as folder:
        models = [
            _ProfiledModel(path, Path(folder) / str(number), deployment)
            for number, path in enumerate((baseline, *others))
        ]
        end = time.monotonic() + budget_s
        most = max(_FEWEST_RUNS, min(_MOST_RUNS, _MOST_TIMINGS // max(len(graph.nodes), 1)))
        for run in range(_WARM_UP_RUNS + most):
            if run >= _WARM_UP_RUNS + _FEWEST_RUNS and time.monotonic() >= end:
                break
            for model in models:
                model.run(feeds)
        names = _block_names(graph, blocks)
        return tuple(model.times(names) for model in models)


class _ProfiledModel:
    """A session that writes down what it runs and how long each node takes."""

    def __init__(self, path: Path, stem: Path, deployment: Deployment) -> None:
        self._optimized = stem.with_suffix(".onnx")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        options.intra_op_num_threads = deployment.threads
        options.inter_op_num_threads = 1
        for key, value in session_options(deployment).items():
            if key.startswith("session."):
                options.add_session_config_entry(key, value)
        options.enable_profiling = True
        options.profile_file_prefix = str(stem)
        options.optimized_model_filepath = str(self._optimized)
        with model_errors("The model cannot be profiled"):
            self._session = onnxruntime.InferenceSession(path, options, providers=[PROVIDER])

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        with model_errors("The model cannot be run"):
            self._session.run(None, dict(feeds))

    def times(self, names: Mapping[str, str]) -> RunTimes:
        """Ends the profile and adds its nodes up; ``names`` as of :func:`_block_names`."""
        runs: dict[str, list[float]] = defaultdict(list)
        op_types: dict[str, str] = {}
        for event in json.loads(Path(self._session.end_profiling()).read_text()):
            if event.get("cat") == "Node" and event["name"].endswith(_SUFFIX):
                name = event["name"].removesuffix(_SUFFIX)
                runs[name].append(event["dur"] / 1000)
                op_types[name] = event["args"]["op_name"]
        block_of = _Traced(Graph(onnx.load(self._optimized)), names).block_of
        blocks: dict[str, float] = defaultdict(float)
        totals: dict[str, float] = defaultdict(float)
        for name, taken in runs.items():
            spent = median(taken[_WARM_UP_RUNS:])
            totals[op_types[name]] += spent
            if name in block_of:
                blocks[block_of[name]] += spent
        return RunTimes(blocks, dict(sorted(totals.items(), key=lambda item: -item[1])))


def _block_names(graph: Graph, blocks: Sequence[Block]) -> dict[str, str]:
    """The block's name by the names of its nodes and of what they compute."""
    block_of = {node: block.name for block in blocks for node in block.nodes}
    outputs = {
        name: block_of[node.name]
        for node in graph.nodes
        if node.name in block_of
        for name in node.output
    }
    return outputs | block_of


class _Traced:
    """Traces the nodes of an optimised graph back to the blocks.

    Attributes:
        block_of: The block's name by the node's; nodes that cannot be traced are missing.
    """

    def __init__(self, graph: Graph, names: Mapping[str, str]) -> None:
        self._graph = graph
        self._names = names
        self._known = {node.name: _known(node, names) for node in graph.nodes}
        self.block_of = {
            node.name: block for node in graph.nodes if (block := self._trace(node)) is not None
        }

    def _trace(self, node: NodeProto) -> str | None:
        block = self._known[node.name]
        if block is not None:
            return block
        ways = [self._readers, self._writers]
        if node.op_type in _FOR_WRITERS:
            ways.reverse()
        found = (self._known[other.name] for way in ways for other in way(node))
        return next((block for block in found if block is not None), None)

    def _readers(self, node: NodeProto) -> Iterator[NodeProto]:
        """The nodes behind a node, nearest first, as far as other unknown ones lie between."""
        for reader in self._graph.readers(node):
            yield reader
            if self._known[reader.name] is None:
                yield from self._readers(reader)

    def _writers(self, node: NodeProto) -> Iterator[NodeProto]:
        for name in node.input:
            writer = self._graph.producers.get(name)
            if writer is not None:
                yield writer
                if self._known[writer.name] is None:
                    yield from self._writers(writer)


def _known(node: NodeProto, names: Mapping[str, str]) -> str | None:
    """The block of a node, by its name or its results; onnxruntime adds endings to both."""
    if node.name in names:
        return names[node.name]
    if node.op_type in _FOR_READERS | _FOR_WRITERS:
        return None
    stems = chain.from_iterable(map(_stems, (node.name.removeprefix(_FUSED), *node.output)))
    return next((names[stem] for stem in stems if stem in names), None)


def _stems(name: str) -> Iterator[str]:
    """A name, and what is left of it without its endings, one after the other."""
    while name:
        yield name
        name = _ENDING.sub("", name)
