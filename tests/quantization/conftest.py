"""Classifiers of digits, each trained once a session."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.records import Family, ModelProfile, Precision
from tests.quantization.digits import (
    Classifier,
    excited_features,
    plain_features,
    recurrent_features,
    train,
)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """onnxruntime's shape inference leaves files where it works; in the app that is the sandbox."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="session")
def excited(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return train(tmp_path_factory.mktemp("excited"), excited_features, (1, 16, 16), 256)


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return train(tmp_path_factory.mktemp("plain"), plain_features, (1, 16, 16), 256)


@pytest.fixture(scope="session")
def recurrent(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return train(tmp_path_factory.mktemp("recurrent"), recurrent_features, (8, 8), 96)


@pytest.fixture
def profile() -> Callable[..., ModelProfile]:
    """Profiles in which only what recipes depend on is set."""

    def make(family: Family = "cnn", precision: Precision = "float32") -> ModelProfile:
        return ModelProfile(
            sha256="",
            size_bytes=0,
            family=family,
            task="classification",
            precision=precision,
            opset=18,
            parameters=0,
            macs=0,
            inputs=(),
            outputs=(),
            operators=(),
            predicted_size_bytes={},
        )

    return make
