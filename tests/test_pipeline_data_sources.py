"""The well-known data sets, on small files of exactly their formats."""

import dataclasses
import gzip
import hashlib
import io
import pickle
import tarfile
from functools import partial

import numpy as np
import pytest

from hintlite.errors import DataError
from hintlite.pipeline.data.held_out import load_test
from hintlite.pipeline.data.load import load_training
from hintlite.pipeline.data.sources import cifar, fashion_mnist, mnist
from hintlite.pipeline.data.sources.dispatch import SOURCES
from hintlite.pipeline.data.sources.idx import read_idx
from hintlite.pipeline.settings.data import SOURCES as SOURCE_NAMES
from hintlite.pipeline.settings.data import DataConfig

RNG = np.random.default_rng(0)
SMALL = {"calibration_samples": 10, "validation_fraction": 0.25}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """No source finds files of this machine, and none reaches the network."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "none")
    monkeypatch.setattr(fashion_mnist, "ORIGIN", f"file://{tmp_path}/unreachable/")
    for module, name in ((mnist, "DOWNLOAD"), (cifar, "CIFAR10"), (cifar, "CIFAR100")):
        monkeypatch.setattr(module, name, unreachable(getattr(module, name), tmp_path))
    for name in ("cifar10", "cifar100"):
        archive = getattr(cifar, name.upper())
        monkeypatch.setitem(SOURCES, name, partial(cifar.open_cifar, archive))
    cache = tmp_path / "keras" / "datasets"
    cache.mkdir(parents=True)
    return cache


def unreachable(entry, folder):
    if isinstance(entry, cifar.Archive):
        return dataclasses.replace(entry, download=unreachable(entry.download, folder))
    return dataclasses.replace(entry, origin=f"file://{folder}/unreachable/{entry.name}")


def samples(count, shape=(28, 28), classes=10):
    images = RNG.integers(0, 256, (count, *shape), np.uint8)
    return images, np.arange(count, dtype=np.uint8) % classes


def test_every_name_of_the_settings_has_its_source():
    assert set(SOURCES) == set(SOURCE_NAMES)


# --- digits ---------------------------------------------------------------------------------------


def test_digits_keep_their_raw_unit():
    config = DataConfig(source="digits")
    training = load_training(config)
    test = load_test(config, training)
    assert training.images.shape == (1438, 8, 8, 1)
    assert training.images.dtype == np.uint8
    assert training.images.max() == 16
    assert training.raw_max == 16.0
    assert training.normalization.std == (16.0,)
    assert training.class_names == tuple("0123456789")
    assert len(test.labels) == 359


# --- idx files: Fashion-MNIST and MNIST -----------------------------------------------------------


def idx_bytes(array):
    sizes = b"".join(int(size).to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def write_idx(folder, part, images, labels, ending=".gz"):
    folder.mkdir(parents=True, exist_ok=True)
    pack = gzip.compress if ending else bytes
    for stem, array in (("images-idx3", images), ("labels-idx1", labels)):
        (folder / f"{part}-{stem}-ubyte{ending}").write_bytes(pack(idx_bytes(array)))


def test_fashion_mnist_reads_the_cache_and_leaves_the_test_files_closed(own_cache):
    images, labels = samples(40)
    write_idx(own_cache / "fashion-mnist", "train", images, labels)
    config = DataConfig(source="fashion_mnist", **SMALL)
    training = load_training(config)  # there is no test file
    assert np.array_equal(training.images[..., 0], images)
    assert np.array_equal(training.labels, labels)
    assert training.class_names[9] == "Ankle boot"
    assert training.test_rows.size == 0
    with pytest.raises(DataError, match=r"Fashion-MNIST: not in .*t10k-images.*data\.path"):
        load_test(config, training)
    test_images, test_labels = samples(20)
    write_idx(own_cache / "fashion-mnist", "t10k", test_images, test_labels)
    test = load_test(config, training)
    assert np.array_equal(test.images[..., 0], test_images)
    assert np.array_equal(test.labels, test_labels)


def test_fashion_mnist_prefers_the_system_package(own_cache, tmp_path, monkeypatch):
    monkeypatch.setattr(fashion_mnist, "SYSTEM_FOLDER", tmp_path / "system")
    images, labels = samples(40)
    write_idx(tmp_path / "system", "train", images, labels)
    write_idx(own_cache / "fashion-mnist", "train", images[::-1], labels)
    training = load_training(DataConfig(source="fashion_mnist", **SMALL))
    assert np.array_equal(training.images[..., 0], images)


def test_fashion_mnist_is_downloaded_part_by_part(own_cache, tmp_path, monkeypatch):
    images, labels = samples(40)
    write_idx(tmp_path / "web", "train", images, labels)  # no test part to be had
    monkeypatch.setattr(fashion_mnist, "ORIGIN", f"file://{tmp_path}/web/")
    training = load_training(DataConfig(source="fashion_mnist", **SMALL))
    assert np.array_equal(training.images[..., 0], images)
    assert len(list((own_cache / "fashion-mnist").iterdir())) == 2


def test_a_folder_of_the_users_own_is_the_only_one_tried(own_cache, tmp_path):
    write_idx(own_cache / "fashion-mnist", "train", *samples(40))
    with pytest.raises(DataError, match=r"data\.path .*elsewhere has no train-"):
        load_training(DataConfig(source="fashion_mnist", path=str(tmp_path / "elsewhere")))


def test_mnist_accepts_uncompressed_idx_files(tmp_path):
    images, labels = samples(40)
    write_idx(tmp_path / "mine", "train", images, labels, ending="")
    training = load_training(DataConfig(source="mnist", path=str(tmp_path / "mine"), **SMALL))
    assert np.array_equal(training.images[..., 0], images)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not an idx file"),
        (b"\x1f\x8b\x08 and so on", "not an idx file"),
        (idx_bytes(np.zeros((4, 3, 3), np.uint8))[:-1], "cut short"),
        (idx_bytes(np.zeros((4, 3, 3), np.uint8))[:10], "cut short"),
        (idx_bytes(np.zeros(3, np.uint8)) + b"more", "cut short"),
    ],
)
def test_broken_idx_files_are_named(tmp_path, content, said):
    (tmp_path / "images").write_bytes(content)
    with pytest.raises(DataError, match=f"images: .*{said}"):
        read_idx(tmp_path / "images")


def test_a_truncated_gzip_is_named(tmp_path):
    packed = gzip.compress(idx_bytes(np.zeros((4, 9, 9), np.uint8)))
    (tmp_path / "images.gz").write_bytes(packed[:-9])
    with pytest.raises(DataError, match=r"images\.gz: cannot be read"):
        read_idx(tmp_path / "images.gz")


# --- mnist.npz ------------------------------------------------------------------------------------


def test_mnist_reads_only_the_training_members(own_cache):
    images, labels = samples(40)
    closed = np.array([{}], object)  # numpy refuses to read this one
    np.savez(own_cache / "mnist.npz", x_train=images, y_train=labels, x_test=closed, y_test=closed)
    config = DataConfig(source="mnist", **SMALL)
    training = load_training(config)
    assert np.array_equal(training.images[..., 0], images)
    assert training.class_names == tuple("0123456789")
    with pytest.raises(DataError, match=r"mnist\.npz: array x_test cannot be read"):
        load_test(config, training)


def test_mnist_test_members_come_from_the_same_file(own_cache):
    images, labels = samples(40)
    test_images, test_labels = samples(12)
    members = {"x_train": images, "y_train": labels, "x_test": test_images, "y_test": test_labels}
    np.savez(own_cache / "mnist.npz", **members)
    config = DataConfig(source="mnist", path=str(own_cache / "mnist.npz"), **SMALL)
    test = load_test(config, load_training(config))
    assert np.array_equal(test.images[..., 0], test_images)
    assert test.rows.tolist() == list(range(12))


@pytest.mark.parametrize(
    ("source", "then"),
    [
        ("mnist", "keep its name"),
        ("fashion_mnist", "keep its name"),
        ("cifar10", "extract it"),
        ("cifar100", "extract it"),
    ],
)
def test_a_failed_download_says_what_to_do(source, then):
    with pytest.raises(DataError, match=rf"not in .*keras.*failed.*{then}, and set data\.path"):
        load_training(DataConfig(source=source))


# --- CIFAR ----------------------------------------------------------------------------------------


class Python2Pickler(pickle._Pickler):
    """Writes bytes as Python 2 wrote its strings; the archives were made with it."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        self.write(pickle.BINSTRING + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def write_pickle(path, content):
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=2).dump(content)
    path.write_bytes(buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))


def write_cifar10(folder, per_batch=10):
    """Five training batches, one test batch; returns the images as [n, 32, 32, 3]."""
    folder.mkdir(parents=True)
    images, labels = samples(6 * per_batch, (3, 32, 32))
    names = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]
    for place, name in enumerate(names):
        part = slice(place * per_batch, (place + 1) * per_batch)
        flat = images[part].reshape(per_batch, 3072)
        write_pickle(folder / name, {b"data": flat, b"labels": labels[part].tolist()})
    classes = [f"class {number}".encode() for number in range(10)]
    write_pickle(folder / "batches.meta", {b"label_names": classes})
    return images.transpose(0, 2, 3, 1), labels


def test_cifar10_reads_the_cache_and_leaves_the_test_batch_closed(own_cache):
    folder = own_cache / "cifar-10-batches-py-target" / "cifar-10-batches-py"
    images, labels = write_cifar10(folder)
    whole = (folder / "test_batch").read_bytes()
    (folder / "test_batch").write_bytes(b"not a batch")
    config = DataConfig(source="cifar10", **SMALL)
    training = load_training(config)
    assert np.array_equal(training.images, images[:50])
    assert training.images.flags.c_contiguous
    assert np.array_equal(training.labels, labels[:50])
    assert training.class_names[3] == "class 3"
    with pytest.raises(DataError, match="test_batch: not a batch"):
        load_test(config, training)
    (folder / "test_batch").write_bytes(whole)
    assert np.array_equal(load_test(config, training).images, images[50:])


def test_cifar10_is_downloaded_checked_and_extracted(own_cache, tmp_path, monkeypatch):
    images, _ = write_cifar10(tmp_path / "web" / "cifar-10-batches-py")
    archive = tmp_path / "web" / "cifar-10-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "web" / "cifar-10-batches-py", "cifar-10-batches-py")
    download = dataclasses.replace(
        cifar.CIFAR10.download,
        origin=f"file://{archive}",
        sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
    )
    changed = dataclasses.replace(cifar.CIFAR10, download=download)
    monkeypatch.setitem(SOURCES, "cifar10", partial(cifar.open_cifar, changed))
    training = load_training(DataConfig(source="cifar10", **SMALL))
    assert np.array_equal(training.images, images[:50])
    assert (own_cache / "cifar-10-batches-py-target" / "cifar-10-batches-py").is_dir()
    tampered = dataclasses.replace(changed, download=dataclasses.replace(download, sha256="0" * 64))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "another"))
    monkeypatch.setitem(SOURCES, "cifar10", partial(cifar.open_cifar, tampered))
    with pytest.raises(DataError, match="hash"):
        load_training(DataConfig(source="cifar10", **SMALL))


def test_cifar100_reads_the_fine_labels(tmp_path):
    folder = tmp_path / "mine" / "cifar-100-python"
    folder.mkdir(parents=True)
    images, labels = samples(400, (3, 32, 32), classes=100)
    for name, part in (("train", slice(0, 300)), ("test", slice(300, 400))):
        flat = images[part].reshape(-1, 3072)
        coarse = [0] * len(flat)
        content = {b"data": flat, b"fine_labels": labels[part].tolist(), b"coarse_labels": coarse}
        write_pickle(folder / name, content)
    names = [f"fine {number}".encode() for number in range(100)]
    write_pickle(folder / "meta", {b"fine_label_names": names})
    config = DataConfig(source="cifar100", path=str(tmp_path / "mine"), calibration_samples=100)
    training = load_training(config)
    assert np.array_equal(training.labels, labels[:300])
    assert training.class_names[42] == "fine 42"
    assert np.array_equal(load_test(config, training).labels, labels[300:])


class Tampered:
    def __reduce__(self):
        return print, ("executed",)


def test_a_tampered_batch_is_not_executed(own_cache, capsys):
    folder = own_cache / "cifar-10-batches-py"
    write_cifar10(folder)
    (folder / "data_batch_2").write_bytes(pickle.dumps({b"data": Tampered()}))
    with pytest.raises(DataError, match=r"data_batch_2: .*asks for builtins\.print"):
        load_training(DataConfig(source="cifar10", **SMALL))
    assert "executed" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({b"data": np.zeros((10, 3072), np.uint8)}, "labels"),
        ({b"data": np.zeros((10, 99), np.uint8), b"labels": [0] * 10}, r"\[n, 3072\]"),
        ({b"data": np.zeros((10, 3072), np.uint8), b"labels": [0] * 9}, "10 images but 9 labels"),
        ([1, 2], "not a batch"),
    ],
)
def test_other_contents_of_a_batch_are_named(own_cache, content, said):
    folder = own_cache / "cifar-10-batches-py"
    write_cifar10(folder)
    write_pickle(folder / "data_batch_4", content)
    with pytest.raises(DataError, match=f"data_batch_4: .*{said}"):
        load_training(DataConfig(source="cifar10", **SMALL))
