"""Run the command line and kill this process without warning at its n-th file operation."""

import os
import signal
import sys

OPERATIONS = (
    "open",
    "os.rename",
    "os.remove",
    "os.mkdir",
    "os.rmdir",
    "os.symlink",
    "shutil.",
    "os.truncate",
)


def main(kill_at: int, *arguments: str) -> None:
    """Count file operations below the data folder; with 0 say how many there were."""
    data = os.environ["KERMA_DATA_DIR"]
    count = 0

    def watch(event: str, details: tuple) -> None:
        nonlocal count
        if event.startswith(OPERATIONS) and any(str(each).startswith(data) for each in details):
            count += 1
            if count == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    from etl.__main__ import app

    try:
        app(list(arguments))
    finally:
        print(f"operations {count}", file=sys.stderr)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
