from __future__ import annotations

from dataclasses import replace

import pytest

from core.datasets.classes import count_outputs, map_classes
from core.records import BadInput, TensorInfo


def test_names_are_numbered_in_their_order_as_text():
    classes = map_classes({"dog", "cat", "Ape"}, None, 3, "class_folders")
    assert classes.names == ("Ape", "cat", "dog")
    assert classes.index == {"Ape": 0, "cat": 1, "dog": 2}
    assert classes.findings == ()


def test_whole_numbers_are_the_outputs_themselves():
    classes = map_classes({"0", "07", "3"}, None, 10, "class_folders")
    assert classes.index == {"0": 0, "07": 7, "3": 3}
    assert len(classes.names) == 10


def test_classes_txt_gives_the_order():
    classes = map_classes({"dog", "cat"}, ["dog", "cat", "ape"], 3, "class_folders")
    assert classes.index["dog"] == 0
    assert classes.names == ("dog", "cat", "ape")


def test_classes_txt_may_name_numbered_labels():
    classes = map_classes({"0", "2"}, ["dog", "cat", "ape"], 3, "labels_csv")
    assert classes.index == {"0": 0, "2": 2}
    assert classes.names == ("dog", "cat", "ape")


def test_folders_that_spelling_and_counting_order_differently_are_told():
    numbered = map_classes({str(i) for i in range(11)}, None, 11, "class_folders")
    assert numbered.index["2"] == 2
    named = map_classes({f"class{i}" for i in range(11)}, None, 11, "class_folders")
    assert named.index["class10"] == 2
    for classes in (numbered, named):
        assert [finding.code for finding in classes.findings] == ["class_order"]
    assert map_classes({str(i) for i in range(11)}, None, 11, "npz").findings == ()


@pytest.mark.parametrize(
    ("labels", "listed", "outputs", "words"),
    [
        ({"a", "b", "c"}, None, 2, "3 classes but the model has only 2 outputs"),
        (
            {"a", "b"},
            None,
            10,
            r"2 classes \(a, b\) but the model has 10 outputs: add a classes.txt",
        ),
        ({"0", "10"}, None, 10, "1 label is out of range: 10; .* 0 to 9"),
        ({"-1", "0"}, None, 10, "1 label is out of range: -1"),
        ({"0", "999999999"}, None, None, "too large"),
        ({"a", "x", "y"}, ["a", "b"], 2, "2 labels are not in classes.txt: x, y"),
        ({"a", "b"}, ["a", "b"], 3, "classes.txt has 2 lines but the model has 3 outputs"),
        ({"a", "b"}, ["a", "b", "a"], 3, "names a more than once"),
        ({"0", "5"}, ["a", "b"], 2, "out of range: 5"),
        ({"0", "cat"}, None, 10, "add a classes.txt"),
    ],
)
def test_labels_that_stand_for_no_output_are_one_sentence(labels, listed, outputs, words):
    with pytest.raises(BadInput, match=words) as error:
        map_classes(labels, listed, outputs, "class_folders")
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ([("N", 10)], 10),
        ([("N", 10, 1, 1)], 10),
        ([("N", 1)], 2),
        ([("N", "classes")], None),
        ([("N", 10), ("N", 512)], None),
        ([("N", 10), ("N", 1)], 10),
        ([("N", 64, 7, 7), ("N", 10)], 10),
        ([("N",)], None),
        ([], None),
    ],
)
def test_outputs_are_counted_where_they_are_stated(make_model, shapes, expected):
    outputs = tuple(
        TensorInfo(name=str(i), dtype="float", shape=shape) for i, shape in enumerate(shapes)
    )
    assert count_outputs(replace(make_model("N", 4), outputs=outputs)) == expected
