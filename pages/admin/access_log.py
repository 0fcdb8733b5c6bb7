"""Who signed in, opened which case, took what away, changed what, or was refused."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import streamlit as st

from pages.shared import downloads
from pages.shared import format as fmt
from warehouse import access_log
from warehouse.settings import settings

#: Entries that the table shows; the download has all that the filters leave.
MOST = 2_000
COLUMNS = {
    "n": "Entry", "at": "When (UTC)", "who": "Who", "roles": "Roles", "what": "What",
    "about": "About", "details": "Details", "account": "Account", "sites": "Sites",
}  # fmt: skip


def as_table(entries: list[dict[str, Any]]) -> pl.DataFrame:
    """Write entries as a table, the newest first."""
    rows = [
        {
            COLUMNS["n"]: int(entry.get("n", 0)),
            COLUMNS["at"]: str(entry.get("at", ""))[:19].replace("T", " "),
            COLUMNS["who"]: str(entry.get("who", "")),
            COLUMNS["roles"]: ", ".join(entry.get("roles") or ()),
            COLUMNS["what"]: str(entry.get("what", "")),
            COLUMNS["about"]: str(entry.get("about", "")),
            COLUMNS["details"]: "; ".join(
                f"{name}: {value}" for name, value in (entry.get("details") or {}).items()
            ),
            COLUMNS["account"]: str(entry.get("account", "")),
            COLUMNS["sites"]: "all" if entry.get("sites") is None else ", ".join(entry["sites"]),
        }
        for entry in reversed(entries)
    ]
    schema = {name: pl.Int64 if name == "Entry" else pl.String for name in COLUMNS.values()}
    return pl.DataFrame(rows, schema=schema)


def chosen(table: pl.DataFrame) -> pl.DataFrame:
    """Draw the filters and return the entries that they leave."""
    today = datetime.now(UTC).date()
    with st.container(horizontal=True, vertical_alignment="bottom"):
        days = st.date_input(
            "From and to", (today - timedelta(days=30), today), format="YYYY-MM-DD", width=260,
            key="log-days",
        )  # fmt: skip
        who = st.multiselect("Who", table["Who"].unique().sort().to_list(), placeholder="All")
        what = st.multiselect("What", table["What"].unique().sort().to_list(), placeholder="All")
        about = st.text_input("About contains", placeholder="Case 812", width=200)
    given = [d for d in (days if isinstance(days, tuple) else (days,)) if isinstance(d, date)]
    first, last = (min(given), max(given)) if given else (date.min, date.max)
    day = pl.col("When (UTC)").str.head(10)
    return table.filter(
        day >= str(first), day <= str(last),
        pl.lit(True) if not who else pl.col("Who").is_in(who),
        pl.lit(True) if not what else pl.col("What").is_in(what),
        pl.col("About").str.to_lowercase().str.contains(about.lower(), literal=True),
    )  # fmt: skip


def main() -> None:
    """Draw the page."""
    st.title("Access log", anchor=False)
    st.markdown("Who opened which case, took what away, changed what, or was refused?")
    wrong = access_log.verify(settings(), {})
    if wrong:
        st.error(
            "The log is not whole: " + "; ".join(wrong[:5]) + ". See `python -m etl verify-log`.",
            icon=":material/gpp_bad:",
        )
    else:
        st.caption(
            ":material/verified_user: The chain of entries is whole; `python -m etl verify-log` "
            "compares it also with what the refreshes kept of it."
        )
    table = chosen(as_table(access_log.entries(settings())))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{fmt.plural(table.height, 'entry', 'entries')}**", width="stretch")
        downloads.offer(table, key="access-log", title="Access log", cells=downloads.NO_PATIENTS)
    if table.height > MOST:
        st.caption(f"The newest {fmt.count(MOST)} are shown; the download has all.")
    st.dataframe(table.head(MOST), hide_index=True, height=560, alt="Access log", placeholder="–")


main()
