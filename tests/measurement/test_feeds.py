import numpy as np
import onnx
import pytest
from onnx import parser

from core.measurement.feeds import FEEDS, build_feeds
from core.records import BadInput, Deployment
from core.sandbox import open_session

PAIR = """
<ir_version: 9, opset_import: ["" : 17]>
pair (int64[n, 3] ids, float16[n, 2] numbers) => (int64[n, 3] a, float16[n, 2] b) {
    a = Identity(ids)
    b = Identity(numbers)
}
"""


@pytest.fixture
def session(tmp_path):
    onnx.save(parser.parse_model(PAIR), tmp_path / "pair.onnx")
    return open_session(tmp_path / "pair.onnx", Deployment())


def test_batches_of_consecutive_samples_by_name(session, tmp_path, prepare_arrays):
    ids = np.arange(30).reshape(10, 3)
    numbers = np.arange(20, dtype=np.float32).reshape(10, 2)
    prepared = prepare_arrays(tmp_path / "data", {"numbers": numbers, "ids": ids})
    feeds = build_feeds(session, prepared, Deployment(batch_size=4))
    assert len(feeds) == 2
    assert np.array_equal(feeds[1]["ids"], ids[4:8])
    assert feeds[1]["numbers"].dtype == np.float16
    assert all(array.flags["C_CONTIGUOUS"] for feed in feeds for array in feed.values())
    assert np.array_equal(session.run(None, feeds[1])[1], numbers[4:8])


def test_few_samples_fill_a_large_batch_and_many_are_not_all_held(
    session, tmp_path, prepare_arrays
):
    few = {"ids": np.arange(15).reshape(5, 3), "numbers": np.zeros((5, 2), np.float32)}
    (feed,) = build_feeds(session, prepare_arrays(tmp_path / "few", few), Deployment(batch_size=8))
    assert feed["ids"][:, 0].tolist() == [0, 3, 6, 9, 12, 0, 3, 6]
    many = {"ids": np.zeros((90, 3), np.int64), "numbers": np.zeros((90, 2), np.float32)}
    prepared = prepare_arrays(tmp_path / "many", many)
    assert len(build_feeds(session, prepared, Deployment())) == FEEDS
    assert len(build_feeds(session, prepared, Deployment(), most=1)) == 1


def test_data_of_another_model(session, prepared):
    with pytest.raises(BadInput, match=r'an input named "ids", which the data does not have'):
        build_feeds(session, prepared, Deployment())


def test_a_fixed_batch_size(tmp_path, write_convolutions, prepared):
    fixed = open_session(write_convolutions(tmp_path / "m.onnx", 1, batch=1), Deployment())
    assert build_feeds(fixed, prepared, Deployment())
    with pytest.raises(BadInput, match=r"only runs batches of 1, .* asks for 8"):
        build_feeds(fixed, prepared, Deployment(batch_size=8))
