"""Hold the locked dependencies against the list of known weaknesses: ``python deploy/audit.py``.

Where the list cannot be reached the check says so and passes: a build in a closed network must not
depend on it. A weakness that is found fails.
"""

import subprocess
import sys
import urllib.request
from pathlib import Path

LOCK = Path(__file__).resolve().parent.parent / "requirements.lock"
ASKED = "https://pypi.org/pypi/pip-audit/json"
#: Words of pip-audit when the network fails midway.
UNREACHED = ("ConnectionError", "ServiceError", "Max retries", "timed out", "HTTPError")


def reachable() -> bool:
    """Say whether the list of weaknesses answers."""
    try:
        with urllib.request.urlopen(ASKED, timeout=5) as answer:
            return b'"vulnerabilities"' in answer.read()
    except OSError:
        return False


def main() -> int:
    """Run the audit; return its exit code, 0 with a notice where it could not be made."""
    if not reachable():
        print("pip-audit skipped: the list of known weaknesses (pypi.org) cannot be reached")
        return 0
    command = ["pip_audit", "--require-hashes", "--disable-pip", "-r", str(LOCK)]
    done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    said = done.stdout + done.stderr
    if done.returncode and any(word in said for word in UNREACHED):
        print("pip-audit skipped: the list of known weaknesses stopped answering")
        return 0
    unknown, locked = said.count("could not be audited"), LOCK.read_text("utf-8").count("==")
    if unknown * 2 > locked:
        print(f"pip-audit skipped: this index knows no weaknesses of {unknown} packages")
        return done.returncode
    print(said.strip())
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
