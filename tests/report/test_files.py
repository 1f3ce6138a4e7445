import pytest

from roadshift.errors import RoadshiftError
from roadshift.report.files import read_curves, read_json, read_table


def test_curves_by_metric(tmp_path):
    folder = tmp_path / "plots/metrics/val_miou"
    folder.mkdir(parents=True)
    (folder.parent / "loss.tsv").write_text("step\tloss\n0\t1.5\n1\t0.5\n")
    (folder / "a.tsv").write_text("step\ta\n0\t0.25\n")
    assert read_curves(tmp_path) == {"loss": [1.5, 0.5], "val_miou/a": [0.25]}
    (folder / "a.tsv").write_text("step\ta\n0\tfine\n")
    with pytest.raises(RoadshiftError, match="not a curve of 'a'; run dvc repro"):
        read_curves(tmp_path)


@pytest.mark.parametrize("read", [read_json, read_table, read_curves])
def test_what_is_missing_is_named_with_what_to_do(read, tmp_path):
    with pytest.raises(RoadshiftError, match="run dvc repro"):
        read(tmp_path / "nothing.csv")


@pytest.mark.parametrize("read", [read_json, read_table])
def test_what_is_damaged_is_named(read, tmp_path):
    file = tmp_path / "damaged"
    file.write_bytes(b"PK\x03\x04\xff cut short")
    with pytest.raises(RoadshiftError, match="damaged: not"):
        read(file)


def test_a_table_with_a_short_row_is_refused(tmp_path):
    file = tmp_path / "table.csv"
    file.write_text("a,b\n1,2\n3\n")
    with pytest.raises(RoadshiftError, match="line 3: not as many columns"):
        read_table(file)
