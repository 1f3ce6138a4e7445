"""Prepares the process for TensorFlow and Keras, before either is imported.

The user's configuration of Keras and the number of cores would otherwise decide which numbers come
out, or stop every command. Every stage and every command calls `prepare` first.
"""

import gc
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from roadshift.errors import RoadshiftError
from roadshift.tensorflow_log import quiet_import

THREADS_VARIABLE = "ROADSHIFT_THREADS"
DEFAULT_THREADS = 2
MAX_THREADS = 256

PINNED = ("KERAS_BACKEND", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
"""Variables that `prepare` sets, whatever the user has set."""

_NOT_NEEDED = ("matplotlib", "sklearn")
"""Packages that `import keras` imports where they are installed; roadshift needs none there."""


def threads() -> int:
    """Returns the number of threads that a TensorFlow operation is divided among.

    It decides in which order sums are taken, so it is a constant rather than the number of cores:
    2, unless the environment variable `ROADSHIFT_THREADS` has another number.

    Raises:
        RoadshiftError: the variable holds no number from 1 to 256.
    """
    given = os.environ.get(THREADS_VARIABLE, "").strip()
    if not given:
        return DEFAULT_THREADS
    number = int(given) if re.fullmatch("[0-9]{1,3}", given) else 0
    if not 1 <= number <= MAX_THREADS:
        raise RoadshiftError(
            f"{THREADS_VARIABLE}: {given[:20]!r} is no whole number from 1 to {MAX_THREADS}; "
            f"correct the environment variable, or unset it for {DEFAULT_THREADS} threads"
        )
    return number


def prepare() -> None:
    """Pins what would change results, and quietens TensorFlow; may be called again.

    Keras runs on TensorFlow with float32, channels last and its own epsilon; `keras.json` and the
    `KERAS_*` variables are ignored, but for `KERAS_HOME`, where Keras keeps downloaded weights.
    TensorFlow's two thread pools have `threads` threads.

    Raises:
        RoadshiftError: `ROADSHIFT_THREADS` is no number; or Keras was imported before, on another
            backend.
    """
    number = str(threads())
    for name in [n for n in os.environ if n.startswith("KERAS_") and n != "KERAS_HOME"]:
        del os.environ[name]
    os.environ |= {
        "KERAS_BACKEND": "tensorflow",
        "TF_NUM_INTRAOP_THREADS": number,
        "TF_NUM_INTEROP_THREADS": number,
    }
    # TensorFlow's warnings would hide the line that matters; its errors are shown. Where several
    # machines train together, it prints many when one of them ends, beside our line.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3" if "TF_CONFIG" in os.environ else "2")
    if "keras" in sys.modules:
        _configure(sys.modules["keras"])
    _on_import("tensorflow", _around_tensorflow)
    home = os.environ.get("KERAS_HOME", os.path.join(os.path.expanduser("~"), ".keras"))
    _on_import("keras", lambda keras: _around_keras(keras, home))


@contextmanager
def _around_tensorflow(tensorflow: ModuleType) -> Iterator[None]:
    """Context manager: TensorFlow is imported in the block."""
    # An older Keras in TensorFlow reads `keras.json`, too.
    with _without_keras_json(), _without_collections(), quiet_import(tensorflow):
        yield


@contextmanager
def _around_keras(keras: ModuleType, home: str) -> Iterator[None]:
    """Context manager: Keras, which keeps downloads in `home`, is imported in the block."""
    with _without_keras_json(), _without_collections(), _without_modules(_NOT_NEEDED):
        yield
    # Keras has no public way to say where downloaded weights are kept. Without this line they would
    # be kept in the system's temporary folder.
    sys.modules["keras.src.backend.config"].__dict__["_KERAS_DIR"] = home
    _configure(keras)


@contextmanager
def _without_keras_json() -> Iterator[None]:
    """Context manager: what is imported in the block finds no `keras.json`."""
    home = os.environ.get("KERAS_HOME")
    # No folder can be made there: Keras neither reads nor writes a file.
    os.environ["KERAS_HOME"] = os.path.join(os.devnull, "keras")
    try:
        yield
    finally:
        del os.environ["KERAS_HOME"]
        if home is not None:
            os.environ["KERAS_HOME"] = home


@contextmanager
def _without_modules(names: Sequence[str]) -> Iterator[None]:
    """Context manager: what is imported in the block finds these modules to be missing.

    Those that have been imported are left as they are.
    """
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # the import system's mark for it
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def _without_collections() -> Iterator[None]:
    """Context manager: the garbage collector rests, and later passes over what is there by then.

    Modules keep nearly all that an import makes: half a million objects, which every collection
    would look at in vain, as would the one at the end of the process. These collections took half
    of the processor time that a stage takes to start.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            gc.enable()


def _configure(keras: ModuleType) -> None:
    if keras.config.backend() != "tensorflow":
        raise RoadshiftError(
            f"Keras was imported before roadshift, with the backend '{keras.config.backend()}'; "
            "import roadshift first, or set KERAS_BACKEND=tensorflow"
        )
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


def _on_import(name: str, around: Callable[[ModuleType], AbstractContextManager[None]]) -> None:
    """Lets the first import of a module happen in a context; does nothing if it was imported."""
    known = (each.name for each in sys.meta_path if isinstance(each, _Around))
    if name not in sys.modules and name not in known:
        sys.meta_path.insert(0, _Around(name, around))


class _Around(MetaPathFinder):
    def __init__(
        self, name: str, around: Callable[[ModuleType], AbstractContextManager[None]]
    ) -> None:
        self.name, self._around = name, around

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self.name:
            return None
        others = (each for each in sys.meta_path if each is not self)
        found = (each.find_spec(fullname, path, target) for each in others)
        spec = next((each for each in found if each is not None), None)
        if spec is None or spec.loader is None:
            return None
        loader, execute = spec.loader, spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            if self in sys.meta_path:
                sys.meta_path.remove(self)
            loader.__dict__.pop("exec_module", None)
            with self._around(module):
                execute(module)

        loader.__dict__["exec_module"] = exec_module
        return spec
