from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from nas.errors import UserError
from nas.evaluation.table import Table

COLUMNS = {
    "arch": np.array(["a", "b", "c"]),
    "flops": np.array([1, 2, 3]),
    "shapes_val12": np.array([50.0, 60.0, 70.0], dtype=np.float32),
}


def _load(folder: Path, **changes: Any) -> Table:
    columns = {**COLUMNS, **changes}
    path = folder / "table.npz"
    np.savez(path, **{name: value for name, value in columns.items() if value is not None})
    return Table.load(path)


def test_columns_are_found_by_their_names(tmp_path: Path) -> None:
    table = _load(
        tmp_path,
        shapes_val6=[1.0, 2.0, 3.0],
        shapes_test200=[4.0, 5.0, 6.0],
        my_dots_val3=[7.0, 8.0, 9.0],
        params=[10, 20, 30],
        latency_ms_phone=[0.5, 0.6, 0.7],
        energy_mj=[5, 6, 7],
        rank=[-1, 0, 1],
    )
    assert table.architectures == ("a", "b", "c")
    assert list(table.datasets) == ["shapes", "my_dots"]
    assert list(table.scores("shapes").validation) == [6, 12]
    assert table.scores("shapes").epochs == 12
    assert table.scores("shapes").test[200].tolist() == [4, 5, 6]
    assert table.scores("my_dots").test == {}
    assert set(table.costs) == {"macs", "flops", "params", "latency_ms_phone", "energy_mj"}


def test_a_column_of_flops_holds_multiply_accumulates(tmp_path: Path) -> None:
    for name in ("flops", "macs"):
        table = _load(tmp_path, **{"flops": None, name: [1, 2, 3]})
        assert table.costs["macs"].tolist() == [1, 2, 3]
        assert table.costs["flops"].tolist() == [2, 4, 6]


def test_seconds_are_shared_out_over_the_epochs(tmp_path: Path) -> None:
    table = _load(tmp_path, shapes_val3=[1.0, 2.0, 3.0], seconds=[12, 24, 36])
    assert table.training_seconds("shapes", 12).tolist() == [12, 24, 36]
    assert table.training_seconds("shapes", 3).tolist() == [3, 6, 9]


def test_seconds_are_modelled_where_none_were_recorded(tmp_path: Path) -> None:
    table = _load(tmp_path, flops=[1e8, 2e8, 3e8])
    # 3 passes x 50,000 images x 12 epochs x 1e8 multiply-accumulates at 1e12 per second.
    assert table.training_seconds("shapes", 12).tolist() == pytest.approx([180, 360, 540])


def test_an_unknown_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no data set 'dots'; the table has: shapes"):
        _load(tmp_path).scores("dots")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arch": None}, "no column 'arch', which says what each row is about"),
        ({"arch": [1, 2, 3]}, "column 'arch' must hold at least one text"),
        ({"macs": [1, 2, 3]}, "both of the columns 'macs' and 'flops'"),
        ({"flops": [1, 0, 3]}, "column 'flops' must hold numbers above 0, but its least is 0"),
        ({"flops": [1, np.nan, 3]}, "column 'flops' is nan in row 1"),
        ({"flops": ["x", "y", "z"]}, "column 'flops' must hold numbers, not <U1"),
        ({"flops": [1, 2]}, r"column 'flops' has the shape \(2,\)"),
        ({"shapes_val12": [[1.0], [2.0], [3.0]]}, r"'shapes_val12' has the shape \(3, 1\)"),
        ({"shapes_val12": None}, "no accuracies; name their columns by data set"),
        ({"shapes_val12": [50, 60, 101]}, "percentages from 0 to 100, not 50 to 101"),
        ({"shapes_val12": [0.5, 0.6, 0.7]}, "its largest is 0.7; multiply it by 100"),
        ({"params": np.array([1, None, 2])}, "not an .npz file of plain arrays"),
    ],
)
def test_a_wrong_column_is_refused(tmp_path: Path, changes: Any, message: str) -> None:
    with pytest.raises(UserError, match=message) as refusal:
        _load(tmp_path, **changes)
    assert str(tmp_path / "table.npz") in str(refusal.value)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        Table.load(tmp_path / "none.npz")
    (tmp_path / "folder.npz").mkdir()
    with pytest.raises(UserError, match="cannot be read"):
        Table.load(tmp_path / "folder.npz")
    (tmp_path / "text.npz").write_text("arch")
    with pytest.raises(UserError, match=r"not an \.npz file"):
        Table.load(tmp_path / "text.npz")
    (tmp_path / "empty.npz").touch()
    with pytest.raises(UserError, match=r"not an \.npz file"):
        Table.load(tmp_path / "empty.npz")
    np.save(tmp_path / "one.npy", np.ones(3))
    with pytest.raises(UserError, match=r"ends in \.npz, \.csv, \.parquet"):
        Table.load(tmp_path / "one.npy")
    with pytest.raises(UserError, match="a single array"):
        Table.load((tmp_path / "one.npy").rename(tmp_path / "one.npz"))


def test_half_an_archive_is_refused(tmp_path: Path) -> None:
    _load(tmp_path)
    path = tmp_path / "table.npz"
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"not an \.npz file"):
        Table.load(path)


def test_a_wrong_column_of_one_data_set_leaves_the_others(tmp_path: Path) -> None:
    table = _load(tmp_path, dots_val12=[1, np.nan, 3], stars_test200=[50, 60, 70])
    assert list(table.datasets) == ["shapes"]
    with pytest.raises(UserError, match="column 'dots_val12' is nan in row 1"):
        table.scores("dots")
    with pytest.raises(UserError, match="data set 'stars' has no validation accuracy"):
        table.scores("stars")


def test_multiply_accumulates_may_be_absent(tmp_path: Path) -> None:
    table = _load(tmp_path, flops=None, params=[10, 20, 30])
    assert set(table.costs) == {"params"}
    assert table.training_seconds("shapes", 12) is None


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_other_files_hold_the_same_table(tmp_path: Path, ending: str) -> None:
    pandas = pytest.importorskip("pandas")
    path = tmp_path / f"table.{ending}"
    frame = pandas.DataFrame(COLUMNS | {"dots_val12": [1.0, None, 3.0]})
    frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
    table = Table.load(path)
    assert table.architectures == ("a", "b", "c")
    assert table.costs["macs"].tolist() == [1, 2, 3]
    assert table.scores("shapes").validation[12].tolist() == [50, 60, 70]
    assert "is nan in row 1" in table.unusable["dots"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("table.csv", b"", "not a CSV file with a header"),
        ("table.csv", b"\xff\xfe\x00", "not a CSV file with a header"),
        ("table.csv", b"arch,flops\na\n", "row 2 has 1 values, but the header has 2"),
        ("table.parquet", b"arch", "not a readable Parquet file"),
    ],
)
def test_what_is_no_such_file_is_refused(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=message):
        Table.load(tmp_path / name)
