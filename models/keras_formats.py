"""What a path is that is no .keras file at all, and how its owner makes one of it."""

from pathlib import Path

_REBUILD = (
    "build the same layers under Keras 3, give them the weights that the old model wrote with "
    "model.save_weights('weights.h5') (model.load_weights('weights.h5')), and save with "
    "model.save('mine.keras')"
)


def other_format(path: Path) -> str | None:
    """Why a path is no .keras file, and the way to one; None where its name says that it is.

    Args:
        path: of a model; of one that does not exist the name is all there is to tell by.
    """
    if path.is_dir():
        return _about_folder(path)
    if path.suffix in (".h5", ".hdf5"):
        saved = path.with_suffix(".keras").name
        return (
            f"{path} is in Keras' older format; expected a .keras file. Save it anew: "
            f"keras.saving.load_model('{path}', compile=False).save('{saved}'). If Keras 3 cannot "
            f"load it, Keras 2 has written it: {_REBUILD}"
        )
    if path.suffix == ".tflite":
        return (
            f"{path} is converted already (`hintlite inspect` shows what it holds); expected the "
            ".keras file that it was made of"
        )
    if path.suffix != ".keras":
        return f"{path}: expected a model that was saved with model.save('mine.keras')"
    return None


def _about_folder(path: Path) -> str:
    if not (path / "saved_model.pb").is_file():
        return f"{path} is a folder; expected a model that was saved with model.save('mine.keras')"
    if (path / "keras_metadata.pb").is_file():
        return f"{path} is a SavedModel of Keras 2; expected a .keras file: {_REBUILD}"
    return (
        f"{path} is a SavedModel, which holds operations and no layers; expected a .keras file: "
        "save the model that it was exported from with model.save('mine.keras')"
    )
