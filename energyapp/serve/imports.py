"""Import what the workers import, one by one, and say in one line what does not load. Run as a module, by `checks`."""

import importlib
import sys

# Where a shared system library is missing, one of these breaks.
PACKAGES = ("numpy", "soundfile", "av", "soxr", "sklearn", "xgboost", "librosa", "tensorflow")


def first_failure() -> str:
    """The reason why the workers cannot run, or an empty string."""
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            return f"the Python package {error.name} is missing; run: make install"
        except (ImportError, OSError) as error:
            reason = " ".join(str(error).split())[:300]
            return f"{name} does not load, so a system library seems to be missing: {reason}"
    return ""


if __name__ == "__main__":
    if failure := first_failure():
        print(failure)
        sys.exit(1)
