import pytest

from core.measurement import measure_cold_starts
from core.measurement.cold_start import download_ms, summarise_starts
from core.records import BadInput, Deployment


def test_each_model_in_ten_fresh_processes(models, prepared):
    said = []
    starts = measure_cold_starts(
        models,
        prepared,
        Deployment(),
        bandwidth_mbps=80.0,
        seed=0,
        report=lambda fraction, words: said.append(fraction),
        size_bytes={"slow": 2_000_000},
    )
    for name in models:
        start = starts[name]
        assert start.processes == 10
        assert start.session_ms > 0
        assert start.first_run_ms > 0
        assert start.low <= start.value <= start.high
        assert start.value > start.download_ms
    assert starts["slow"].download_ms == pytest.approx(200.0)
    assert starts["fast"].download_ms == models["fast"].stat().st_size * 8 / 80e6 * 1e3
    assert said == sorted(said)


def test_the_first_run_of_more_work_takes_longer(write_convolutions, prepared, tmp_path):
    # Importing and starting are not in the figure, or they would hide the difference.
    models = {
        "fast": write_convolutions(tmp_path / "fast.onnx", 1),
        "slow": write_convolutions(tmp_path / "slow.onnx", 30),
    }
    starts = measure_cold_starts(
        models,
        prepared,
        Deployment(batch_size=20),
        bandwidth_mbps=None,
        seed=1,
        report=lambda fraction, words: None,
        processes=6,
    )
    assert starts["slow"].first_run_ms > 2 * starts["fast"].first_run_ms
    assert starts["fast"].download_ms is None


def test_a_model_that_does_not_run_is_named_as_such(models, write_convolutions, prepared, tmp_path):
    fixed = write_convolutions(tmp_path / "fixed.onnx", 1, batch=3)
    with pytest.raises(BadInput, match="batches of 3"):
        measure_cold_starts(
            {"baseline": fixed},
            prepared,
            Deployment(),
            bandwidth_mbps=None,
            seed=0,
            report=lambda fraction, words: None,
        )


def test_summary_of_known_samples():
    samples = tuple((10.0 + number, 1.0) for number in range(10))
    start = summarise_starts(samples, 100.0)
    assert (start.value, start.session_ms, start.first_run_ms) == (115.5, 14.5, 1.0)
    assert (start.low, start.high) == (112.0, 119.0)  # the second and the ninth of ten


def test_download_is_bits_over_megabits_per_second():
    assert download_ms(86_000_000, 1000.0) == pytest.approx(688.0)
    assert download_ms(86_000_000, None) is None
