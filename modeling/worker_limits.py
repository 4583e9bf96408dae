"""What one track may cost the process that computes its features. Files come from strangers: each of these ends a trap."""

import resource

# A 15-minute file takes seconds. What takes a minute is a trap, and is stopped; the hard limit is for what cannot be.
SOFT_TIME_LIMIT_S, TIME_LIMIT_S = 60, 90
# About twice what a 15-minute file takes, so that too much ends here, as an error of one track, and not at the machine's
# limit, where the kernel chooses whom to kill.
MAX_DATA_BYTES = 600 * 2**20


def limit_memory() -> None:
    """From now on this process gets a MemoryError for more than MAX_DATA_BYTES.

    RLIMIT_DATA counts what can be written to (heap, arrays, stacks). RLIMIT_AS would count libraries and mapped files too.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    soft = MAX_DATA_BYTES if hard == resource.RLIM_INFINITY else min(MAX_DATA_BYTES, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
