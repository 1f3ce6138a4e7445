from roadshift.report.plots import write_curve_tables


def test_the_curves_of_all_networks_are_rows_of_two_tables(tmp_path):
    curves = {
        "a": {"loss": [2.0, 1.5], "learning_rate": [0.1, 0.0], "val_miou/a": [0.1, 0.2]},
        "ab": {"loss": [3.0], "val_miou/a": [0.3], "val_miou/b": [0.4]},
    }
    write_curve_tables(curves, tmp_path)
    assert (tmp_path / "loss.csv").read_text("utf-8") == (
        "curve,epoch,loss\na,1,2.0\na,2,1.5\nab,1,3.0\n"
    )
    assert (tmp_path / "validation.csv").read_text("utf-8") == (
        "curve,epoch,miou\na on a,1,0.1\na on a,2,0.2\nab on a,1,0.3\nab on b,1,0.4\n"
    )
