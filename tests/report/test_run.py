import numpy as np
import pytest

from roadshift.errors import RoadshiftError
from roadshift.report.run import read_curves, read_json, read_pictures, read_table


def test_curves_by_metric(tmp_path):
    folder = tmp_path / "plots/metrics/val_miou"
    folder.mkdir(parents=True)
    (folder.parent / "loss.tsv").write_text("step\tloss\n0\t1.5\n1\t0.5\n")
    (folder / "a.tsv").write_text("step\ta\n0\t0.25\n")
    assert read_curves(tmp_path) == {"loss": [1.5, 0.5], "val_miou/a": [0.25]}
    (folder / "a.tsv").write_text("step\ta\n0\tfine\n")
    with pytest.raises(RoadshiftError, match="not a curve of 'a'; run dvc repro"):
        read_curves(tmp_path)


def test_pictures_are_in_the_order_of_their_ids(tmp_path):
    file = tmp_path / "a.npz"
    matrices = np.arange(8).reshape(2, 2, 2)
    arrays = {"t/ids": np.array(["q", "p"]), "t/matrices": matrices}
    np.savez(file, allow_pickle=False, **arrays, **{"t/tent/matrices": 2 * matrices})
    found = read_pictures(file)
    assert list(found) == ["t", "t/tent"]
    assert found["t"].ids == found["t/tent"].ids == ("p", "q")
    np.testing.assert_array_equal(found["t/tent"].matrices, 2 * matrices[::-1])


@pytest.mark.parametrize("read", [read_json, read_table, read_pictures, read_curves])
def test_what_is_missing_is_named_with_what_to_do(read, tmp_path):
    with pytest.raises(RoadshiftError, match="run dvc repro"):
        read(tmp_path / "nothing.csv")


@pytest.mark.parametrize("read", [read_json, read_pictures])
def test_what_is_damaged_is_named(read, tmp_path):
    file = tmp_path / "damaged"
    file.write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(RoadshiftError, match="damaged: not"):
        read(file)


def test_a_table_with_a_short_row_is_refused(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1,2\n3\n")
    with pytest.raises(RoadshiftError, match="line 3: not as many columns"):
        read_table(file)
