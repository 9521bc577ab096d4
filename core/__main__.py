"""``python -m core``: the same engine without a browser, for CI gates and scripts.

Exit codes of ``evaluate``: 0 there is something to ship or to try, 1 not worth it, 3 not enough
evidence, 2 bad input (one sentence on standard error), 4 the evaluation failed.
"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from core.records import (
    BadInput,
    Deployment,
    Effort,
    Method,
    Policy,
    Request,
    to_json,
    to_plain,
)
from core.sandbox import SandboxFailure

EXIT_BAD_INPUT = 2
EXIT_FAILED = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: The command line without the program's name; default ``sys.argv``.

    Returns:
        The exit code.
    """
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    try:
        code: int = options.run(options)
    except BadInput as problem:
        print(problem, file=sys.stderr)
        return EXIT_BAD_INPUT
    except SandboxFailure as failure:
        if failure.detail:
            logging.error(failure.detail)
        print(failure, file=sys.stderr)
        return EXIT_FAILED
    except KeyboardInterrupt:
        print("Cancelled.", file=sys.stderr)
        return EXIT_FAILED
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m core", description="Should this ONNX model be quantized? Measure first."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    evaluate = commands.add_parser("evaluate", help="measure, quantize, measure again, decide")
    evaluate.set_defaults(run=_evaluate)
    evaluate.add_argument(
        "model", type=Path, help=".onnx (with .onnx.data beside it), folder or zip"
    )
    evaluate.add_argument("--data", type=Path, required=True, help="labelled samples")
    evaluate.add_argument("--out", type=Path, required=True, help="folder for the results")
    evaluate.add_argument("--task", choices=["classification"], default="classification")
    evaluate.add_argument("--preprocessing", default="auto", help="a preset's name, or auto")
    evaluate.add_argument("--max-drop", type=_positive, default=1.0, metavar="POINTS")
    evaluate.add_argument("--min-speedup", type=_positive, default=1.10, metavar="X")
    evaluate.add_argument("--latency-target", type=_positive, metavar="MS")
    evaluate.add_argument(
        "--expected-accuracy", type=_percent, metavar="PERCENT", help="what the model is known for"
    )
    evaluate.add_argument("--bandwidth", type=_positive, metavar="MBIT_PER_S")
    evaluate.add_argument("--effort", choices=get_args(Effort), default="standard")
    evaluate.add_argument("--threads", type=_count, default=1)
    evaluate.add_argument("--batch-size", type=_count, default=1)
    evaluate.add_argument(
        "--methods",
        type=_methods,
        default=None,
        metavar="auto|LIST",
        help="such as float16,int8_static",
    )
    evaluate.add_argument("--seed", type=_seed, default=0)
    evaluate.add_argument("--time-budget", type=_positive, default=3600.0, metavar="SECONDS")
    evaluate.add_argument("--json", action="store_true", help="print evaluation.json")

    inspect = commands.add_parser("inspect", help="profile and guidance as JSON")
    inspect.set_defaults(run=_inspect)
    inspect.add_argument("model", type=Path)

    compare = commands.add_parser("compare", help="interleaved latency of two models, as JSON")
    compare.set_defaults(run=_compare)
    compare.add_argument("a", type=Path)
    compare.add_argument("b", type=Path)
    compare.add_argument("--data", type=Path, help="labelled samples; adds the agreement")
    compare.add_argument("--preprocessing", default="auto", help="a preset's name, or auto")
    compare.add_argument("--effort", choices=get_args(Effort), default="standard")
    compare.add_argument("--threads", type=_count, default=1)
    compare.add_argument("--batch-size", type=_count, default=1)
    compare.add_argument("--seed", type=_seed, default=0)

    worker = commands.add_parser("worker", help="take evaluations from the queue")
    worker.set_defaults(run=_worker)
    worker.add_argument("--class", dest="machine_class", default="default", metavar="NAME")
    # Of the server that started it, with which it ends; nothing that people type.
    worker.add_argument("--parent", type=int, help=argparse.SUPPRESS)

    doctor = commands.add_parser("doctor", help="check the machine and the installation")
    doctor.set_defaults(run=_doctor)
    return parser


# Each command imports what it needs: `worker` must not pay for `compare`, nor `--help` for either.


def _evaluate(options: argparse.Namespace) -> int:
    from core.headless import evaluate_files, summary

    request = Request(
        task=options.task,
        policy=Policy(
            max_drop_points=options.max_drop,
            min_speedup=options.min_speedup,
            latency_target_ms=options.latency_target,
            bandwidth_mbps=options.bandwidth,
        ),
        deployment=Deployment(threads=options.threads, batch_size=options.batch_size),
        effort=options.effort,
        methods=options.methods,
        expected_accuracy=options.expected_accuracy,
        seed=options.seed,
        time_budget_s=options.time_budget,
    )
    evaluation = evaluate_files(
        options.model, options.data, options.out, request, options.preprocessing
    )
    print(to_json(evaluation) if options.json else summary(evaluation))
    return {"not_worth_it": 1, "not_enough_evidence": 3}.get(evaluation.verdict.outcome, 0)


def _inspect(options: argparse.Namespace) -> int:
    from core import sandbox
    from core.decision import guide
    from core.intake import locate_model, profile_model

    with tempfile.TemporaryDirectory() as folder:
        source = sandbox.call(locate_model, options.model.resolve(), Path(folder))
        profile = sandbox.call(profile_model, source)
    print(json.dumps({"model": to_plain(profile), "guidance": to_plain(guide(profile))}, indent=2))
    return 0


def _compare(options: argparse.Namespace) -> int:
    from core.headless import compare_files

    result = compare_files(
        options.a,
        options.b,
        options.data,
        deployment=Deployment(threads=options.threads, batch_size=options.batch_size),
        effort=options.effort,
        seed=options.seed,
        preprocessing=options.preprocessing,
    )
    print(json.dumps(result, indent=2))
    return 0


def _worker(options: argparse.Namespace) -> int:
    from core.jobs import run_worker

    logging.getLogger().setLevel(logging.INFO)
    run_worker(options.machine_class, parent=options.parent)
    return 0


def _doctor(_options: argparse.Namespace) -> int:
    from core.doctor import examine

    healthy = True
    for check in examine():
        healthy = healthy and check.passed
        print(f"{'ok  ' if check.passed else 'MEND'}  {check.name}: {check.sentence}")
    return 0 if healthy else 1


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _percent(text: str) -> float:
    value = _positive(text)
    if value > 100:
        raise argparse.ArgumentTypeError(f"{text} is more than 100 percent")
    return value / 100


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 0 or more")
    return int(text)


def _methods(text: str) -> tuple[Method, ...] | None:
    if text == "auto":
        return None
    known: tuple[Method, ...] = tuple(m for m in get_args(Method) if m != "none")
    chosen = tuple(name.strip() for name in text.split(","))
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise argparse.ArgumentTypeError(
            f"{', '.join(unknown)}: not a method; the methods are {', '.join(known)}"
        )
    return tuple(method for method in known if method in chosen)


if __name__ == "__main__":
    # Whoever stops a gate or a service is answered as Ctrl-C is: all is tidied up.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
