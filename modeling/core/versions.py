"""Which libraries compute: the same numbers need the same ones."""

import platform
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = (
    *("numpy", "scipy", "scikit-learn", "xgboost-cpu", "xgboost"),
    *("tensorflow-cpu", "tensorflow", "keras", "optuna"),
)


def library_versions() -> dict[str, str]:
    """Python's version, and those of the libraries that are installed."""
    found = {"python": platform.python_version()}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue  # another build of the same library, on another platform
    return found
