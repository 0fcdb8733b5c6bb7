"""Judge the cases anew where a person changed what they are judged by."""

import json
import subprocess
import sys

import streamlit as st

from pages.shared import format as fmt
from pages.shared.navigation import ROOT


def rejudge() -> str:
    """Judge all cases by the rules as they now are, in a process of its own, and say the result."""
    with st.spinner("Judging all cases by the rules as they now are"):
        done = subprocess.run(
            [sys.executable, "-m", "etl", "alerts", "--json"],
            cwd=ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        return (
            "The cases could not be judged by it now; the next refresh does it. "
            f"{done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ''}"
        )
    found = json.loads(done.stdout.splitlines()[-1])
    return (
        f"{fmt.plural(found['judged'], 'case')} judged: {fmt.plural(found['new'], 'new alert')}, "
        f"{fmt.count(found['lapsed'])} no longer hold."
    )
