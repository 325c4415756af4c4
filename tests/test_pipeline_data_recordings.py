"""Recordings as CSV and Parquet, of HAPT and of the UCR archive, cut into windows."""

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from hintlite.errors import DataError, SettingsError
from hintlite.pipeline.app.settings.named_data import named_data
from hintlite.pipeline.cache.folder import CacheError, CacheFolder
from hintlite.pipeline.data import table_file
from hintlite.pipeline.data import windows as windows_file
from hintlite.pipeline.data.disk import Disk
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.rows import LazyRows
from hintlite.pipeline.data.sources.dispatch import open_source
from hintlite.pipeline.data.windows import NO_CLASS, Recording, cut, pieces, stretches
from hintlite.pipeline.settings.data import DataConfig


def write(path, columns, mark=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [mark.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([mark.join(columns), *rows]) + "\n")


def opened(root, **settings):
    return open_source(DataConfig(source="recordings", path=str(root), **settings))


def samples(pool):
    return pool.read(np.arange(len(pool.labels)), None)[0]


def test_windows_cross_neither_classes_nor_recordings():
    first = Recording("a", np.arange(10.0)[:, None], np.array([0] * 4 + [1] * 6), "a")
    second = Recording(
        "b", np.arange(100.0, 107)[:, None], np.array([0, 0, NO_CLASS, 0, 0, 0, 0]), "b"
    )

    windows = cut([first.stretches, second.stretches], 3, 2, "here")

    assert windows.of([first, second])[..., 0].tolist() == [
        [0, 1, 2],
        [4, 5, 6],
        [6, 7, 8],
        [103, 104, 105],
    ]
    assert windows.labels.tolist() == [0, 1, 1, 0]
    assert windows.groups.tolist() == ["a", "a", "a", "b"]
    assert any("1 time steps have no class" in note for note in windows.notes)
    assert any("1 stretches are shorter" in note for note in windows.notes)


@pytest.mark.parametrize("rows", [1, 3, 7, 100])
@pytest.mark.parametrize("at_once", [1, 10**6])
def test_windows_of_blocks_are_those_of_the_whole(monkeypatch, rows, at_once):
    monkeypatch.setattr(windows_file, "CHUNK_BYTES", at_once)
    signal, starts = np.arange(80, dtype=np.float32).reshape(40, 2), [0, 2, 4, 21, 22, 35]
    blocks = (signal[first : first + rows] for first in range(0, 40, rows))
    found = list(pieces(blocks, starts, 5))
    assert np.array_equal(np.concatenate(found), [signal[s : s + 5] for s in starts])
    assert at_once > 1 or len(found) == len(starts)


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_recordings_in_a_file_are_those_of_memory(tmp_path, monkeypatch, kind):
    rng = np.random.default_rng(3)
    for person in range(4):
        steps = 40 + person
        columns = {
            "x": rng.normal(size=steps).round(3),
            "n": rng.integers(0, 9, steps),
            "move": ["1", "1.0", "02", ""] * (steps // 4) + ["02"] * (steps % 4),
            "who": [f"p{person // 2}"] * steps,
        }
        columns["move"] = sorted(columns["move"], key=lambda name: name[:1])
        place = tmp_path / "days" / f"{person}.{kind}"
        if kind == "csv":
            write(place, columns)
        else:
            place.parent.mkdir(exist_ok=True)
            parquet.write_table(pyarrow.table(columns), place)
    settings = {"window": 5, "hop": 2, "label": "move", "group": "who"}
    memory = opened(tmp_path / "days", **settings)
    monkeypatch.setattr(table_file, "ROWS", 7)
    disk = Disk(CacheFolder(tmp_path / "cache"), least_bytes=1)
    config = DataConfig(source="recordings", path=str(tmp_path / "days"), **settings)
    mapped = open_source(config, disk=disk)
    assert mapped.class_names == memory.class_names == ("1", "2")
    for name in ("labels", "groups"):
        assert np.array_equal(getattr(mapped, name), getattr(memory, name))
    assert mapped.notes == memory.notes
    assert isinstance(samples(mapped), LazyRows)
    assert np.array_equal(samples(mapped)[:], samples(memory))
    tiny = Disk(CacheFolder(tmp_path / "tiny", budget_gb=1e-6), least_bytes=1)
    with pytest.raises(CacheError, match="make fewer windows"):
        open_source(config, disk=tiny)


def test_stretches_of_a_class():
    assert stretches(np.array([0, 0, 1, -1, 1])) == [(0, 2), (2, 3), (4, 5)]
    assert stretches(np.array([2])) == [(0, 1)]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_classes_of_a_column_and_groups_of_another(tmp_path, mark):
    for person in range(3):
        moves = ["rest"] * 6 + ["run"] * 6 + [""] * 2
        signal = {"x": range(14), "y": [-person - i % 3 for i in range(14)]}
        write(
            tmp_path / f"{person}.csv", {**signal, "move": moves, "who": [f"p{person}"] * 14}, mark
        )

    pool = opened(tmp_path, window=4, hop=2, label="move", group="who", columns=("x", "y"))

    assert pool.class_names == ("rest", "run")
    assert samples(pool).shape == (12, 4, 2)
    assert sorted(set(pool.groups.tolist())) == ["p0", "p1", "p2"]
    assert samples(pool)[0, :, 1].tolist() == [0, -1, -2, 0]


def test_classes_of_folders_windows_in_seconds_and_parquet(tmp_path):
    rng = np.random.default_rng(0)
    for move in ("rest", "run"):
        (tmp_path / move).mkdir()
        for number in range(2):
            table = pyarrow.table({"x": rng.normal(size=20), "y": rng.normal(size=20)})
            parquet.write_table(table, tmp_path / move / f"{number}.parquet")

    pool = opened(tmp_path, window=0.4, rate_hz=25.0)

    assert pool.class_names == ("rest", "run")
    assert samples(pool).shape == (4 * 3, 10, 2)
    assert pool.groups[0] == "rest/0.parquet"
    assert any("at 25 Hz" in note for note in pool.notes)


BAD = {
    "a clock": ({"t": range(9), "x": [0, 1, 0] * 3}, "rises from step to step"),
    "text": ({"x": ["a"] * 9}, "no column of numbers"),
    "a gap": ({"x": [0, 1, "", 0, 1, 0, 1, 0, 1], "y": [0, 1, 0] * 3}, "no finite number in row 3"),
    "an empty line": ({"x": [0, 1, "", 0, 1, 0, 1, 0, 1]}, "line 4 has 0 cells"),
    "no names": ({"1": [0] * 9, "2": [0] * 9}, "does not name the columns"),
}


@pytest.mark.parametrize("what", BAD)
def test_files_that_are_no_recordings_are_refused_by_name(tmp_path, what):
    columns, said = BAD[what]
    for move in ("rest", "run"):
        write(tmp_path / move / "a.csv", columns)
    with pytest.raises(DataError, match=said):
        opened(tmp_path, window=3)


def test_other_columns_than_in_the_first_recording_are_refused(tmp_path):
    write(tmp_path / "rest" / "a.csv", {"x": [0, 1, 0]})
    write(tmp_path / "run" / "a.csv", {"y": [0, 1, 0]})
    with pytest.raises(DataError, match=r"run/a\.csv: no column 'x', found y"):
        opened(tmp_path, window=2)


def test_a_ragged_line_is_named(tmp_path):
    (tmp_path / "rest").mkdir()
    (tmp_path / "rest" / "a.csv").write_text("x,y\n1,2\n1\n")
    with pytest.raises(DataError, match="line 3 has 1 cells, the first has 2 names"):
        opened(tmp_path, window=2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"source": "recordings", "path": "x"}, "needs data.window"),
        ({"source": "npz", "path": "x", "window": 4}, "cuts recordings"),
        ({"source": "digits", "group": "who"}, "names an array of an .npz or a column"),
        ({"source": "hapt", "path": "x", "group": "who"}, "persons as groups already"),
        ({"source": "recordings", "path": "x", "window": -1}, "above 0"),
        ({"source": "hapt", "path": "x", "hop": 4}, "state data.window too"),
        ({"source": "recordings", "path": "x", "window": 4, "kind": "images"}, "are series"),
    ],
)
def test_settings_that_would_do_nothing_are_refused(settings, said):
    with pytest.raises(SettingsError, match=said):
        DataConfig(**settings)


def make_hapt(root, persons=4, steps=300):
    raw = root / "RawData"
    raw.mkdir(parents=True)
    rng, lines = np.random.default_rng(0), []
    for person in range(1, persons + 1):
        for sensor in ("acc", "gyro"):
            name = raw / f"{sensor}_exp{person:02d}_user{person:02d}.txt"
            np.savetxt(name, rng.normal(size=(6 * steps + 20, 3)))
        for activity in range(6):
            lines.append(
                (person, person, activity + 1, activity * steps + 1, (activity + 1) * steps)
            )
        lines.append((person, person, 7, 6 * steps + 1, 6 * steps + 20))
    np.savetxt(raw / "labels.txt", lines, fmt="%d")


def test_hapt_is_divided_by_person(tmp_path):
    make_hapt(tmp_path / "hapt")
    assert named_data(str(tmp_path / "hapt"))[0] == "hapt"
    config = DataConfig(source="hapt", path=str(tmp_path / "hapt"), calibration_samples=12)

    data = load_training(config)
    test = load_test(config, data)

    assert data.input_shape == (128, 6)
    assert len(data.class_names) == 6
    pool = open_source(config)
    one = set(pool.groups[data.source_rows].tolist())
    assert len(one) + len(set(pool.groups[test.rows].tolist())) == 4
    assert any("20 time steps" in note or "80 time steps" in note for note in data.notes)


def make_ucr(root, name="Toy", length=30):
    root.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("TRAIN", 40), ("TEST", 20)):
        rows = [[(-1) ** i, *rng.normal(i % 2, 1, length)] for i in range(count)]
        np.savetxt(root / f"{name}_{part}.tsv", rows, delimiter="\t")


def test_the_ucr_archive_keeps_its_own_division(tmp_path):
    make_ucr(tmp_path / "toy")
    assert named_data(str(tmp_path / "toy"))[0] == "ucr"
    config = DataConfig(source="ucr", path=str(tmp_path / "toy"), calibration_samples=10)

    data = load_training(config)

    assert data.name == "Toy"
    assert data.input_shape == (30, 1)
    assert data.class_names == ("-1", "1")
    assert len(load_test(config, data).labels) == 20


def test_series_of_unequal_lengths_are_refused(tmp_path):
    make_ucr(tmp_path / "toy")
    path = tmp_path / "toy" / "Toy_TRAIN.tsv"
    path.write_text(path.read_text() + "1\t" + "\t".join(["NaN"] * 30) + "\n")
    with pytest.raises(DataError, match="row 40 has missing values"):
        open_source(DataConfig(source="ucr", path=str(tmp_path / "toy")))
