"""One writer at a time, also between processes."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _wait_for(descriptor: int) -> None:
        """Wait for the lock; the system itself gives up after ten seconds."""
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
            except OSError:
                time.sleep(0.1)
            else:
                return

else:
    import fcntl

    def _wait_for(descriptor: int) -> None:
        """Wait for the lock."""
        fcntl.flock(descriptor, fcntl.LOCK_EX)


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold a lock file while the body runs; the system frees it however the process ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+") as file:
        _wait_for(file.fileno())
        yield
