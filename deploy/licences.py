"""Write docs/licences.md from the packages installed: ``python deploy/licences.py``."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEAD = """# Licences

Every package that Kerma runs on, made from `requirements.lock` by `make lock`. `deploy/licences.py`
makes the list; a test refuses a licence that nobody has agreed to.

"""


def locked(text: str) -> dict[str, str]:
    """Return name → version of each package of a lock file."""
    return dict(re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", text, re.MULTILINE))


def main() -> None:
    """Write the list."""
    names = locked((ROOT / "requirements.lock").read_text("utf-8"))
    command = ["--from=mixed", "--format=markdown", "--no-version", "--order=name", "--packages"]
    made = subprocess.run(
        [Path(sys.executable).parent / "pip-licenses", *command, *names],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    (ROOT / "docs" / "licences.md").write_text(HEAD + made.stdout.strip() + "\n", "utf-8")


if __name__ == "__main__":
    main()
