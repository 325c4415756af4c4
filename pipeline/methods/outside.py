"""Methods from outside the package, named in an arm as "package.module:name"."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hintlite.errors import SettingsError
from hintlite.pipeline.settings.run import RunConfig

if TYPE_CHECKING:
    import keras

    from hintlite.pipeline.methods.base import Method

_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


def find(name: str) -> Callable[[RunConfig, keras.Model, keras.Model], Method]:
    """The builder of a method that some importable module holds.

    Only modules that Python finds by itself are imported (installed, or on PYTHONPATH): neither
    the working folder nor the run's is searched, so that no file that lies there by chance runs.

    Args:
        name: "package.module:name"; `name` is a subclass of Method that is made without
            arguments or by its own `of`, or a function `(config, teacher, student) -> Method`.

    Returns:
        The function, or one that makes the class.

    Raises:
        SettingsError: no such module or name, or one that makes no method.
    """
    found = _load(name)
    make = getattr(found, "of", found)  # a function is called as it is
    return lambda config, teacher, student: _made(name, make(config, teacher, student))


def fingerprint(name: str) -> str:
    """sha256 of the module's source: a method that was edited is trained anew.

    Modules that this one imports are not looked at.
    """
    return source_sha256(_module(name))


def source_sha256(module: ModuleType) -> str:
    """sha256 of a module's source.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        source = inspect.getsource(module)
    except (OSError, TypeError) as error:
        raise SettingsError(
            f"module {module.__name__!r}: its source cannot be read ({error}), so a change of it "
            "would pass unnoticed; put it into a .py file"
        ) from error
    return hashlib.sha256(source.encode()).hexdigest()


def imported(names: Iterable[str]) -> dict[str, Any]:
    """For a stage's key: the sources of the user's modules whose classes a file may hold.

    Returns:
        "imported" -> name -> sha256; empty where there are none.

    Raises:
        SettingsError: a module that is not there.
    """
    sources = {name: source_sha256(load_module(name, "imports")) for name in names}
    return {"imported": sources} if sources else {}


def _load(name: str) -> Any:
    from hintlite.pipeline.methods.base import Method

    module, attribute = _module(name), name.partition(":")[2]
    found = getattr(module, attribute, None)
    if found is None:
        raise SettingsError(f"method {name!r}: {module.__file__} has no {attribute!r}")
    if inspect.isclass(found):
        _check_class(name, found, Method)
    elif not inspect.isfunction(found):
        raise SettingsError(
            f"method {name!r} is a {type(found).__name__}; expected a subclass of "
            "hintlite.pipeline.methods.base.Method or a function "
            "(config, teacher, student) -> Method"
        )
    return found


def _check_class(name: str, found: type, base: type) -> None:
    if not issubclass(found, base) or inspect.isabstract(found):
        raise SettingsError(
            f"method {name!r}: the class is no complete subclass of "
            "hintlite.pipeline.methods.base.Method, "
            "which asks for phases()"
        )
    if found.of.__func__ is not base.of.__func__:  # type: ignore[attr-defined]
        return
    try:
        inspect.signature(found).bind()
    except TypeError as error:
        raise SettingsError(
            f"method {name!r}: {error}; a class is made without arguments, or by a class method "
            "of(config, teacher, student); a function (config, teacher, student) -> Method is "
            "given the settings too"
        ) from error


def _module(name: str) -> ModuleType:
    if not _NAME.fullmatch(name):
        raise SettingsError(f"method {name!r}: expected package.module:name")
    return load_module(name.partition(":")[0], f"method {name!r}")


def load_module(path: str, what: str) -> ModuleType:
    """Imports a module of the user's own that Python finds by itself.

    Args:
        path: "package.module".
        what: what names it, for messages.

    Raises:
        SettingsError: there is none, or it fails.
    """
    if not _PATH.fullmatch(path):
        raise SettingsError(f"{what}: expected package.module, got {path!r}")
    try:
        return importlib.import_module(path)
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"{what}: there is no module {error.name!r}; install it, or put the folder that it is "
            "in on PYTHONPATH"
        ) from error
    except (Exception, SystemExit) as error:  # whatever the module raises when it is run
        raise SettingsError(f"{what}: its module fails: {type(error).__name__}: {error}") from error


def _made(name: str, method: Any) -> Method:
    from hintlite.pipeline.methods.base import Method

    if not isinstance(method, Method):
        raise SettingsError(
            f"method {name!r} made a {type(method).__name__}; expected a "
            "hintlite.pipeline.methods.base.Method"
        )
    return method
