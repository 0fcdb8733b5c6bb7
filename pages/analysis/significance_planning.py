"""Are the groups comparable, and how large would a study have to be."""

import math

import polars as pl
import streamlit as st

from analytics.balance import LIMIT, Balance, balance_of_counts
from analytics.comparison import Comparison
from analytics.planning import Plan, plan
from analytics.results import Estimate, NotComputable
from analytics.workbench import Outcome
from pages.shared import data, downloads
from pages.shared import format as fmt
from pages.shared.page import View

CHARACTERISTICS = {
    "age": "Age, years: mean (SD)",
    "bmi": "Body mass index, kg/m²: mean (SD)",
    "levels": "Levels treated: mean (SD)",
    "sex": "Sex",
    "procedure": "Procedure",
}
#: Categories that are written out; the rest is counted together.
MOST_WRITTEN = 4


def draw_balance(view: View, grouping: str, groups: list[str]) -> None:
    """Draw who is in the groups, and by how much two of them differ."""
    counted = data.query(
        "significance_balance", view.filters, group_by=grouping, stratum=None,
        first_of_patient=view.filters.first_of_patient,
    ).filter(pl.col("group").is_in(groups) & (pl.col("characteristic") != grouping))  # fmt: skip
    with st.expander("Are the groups comparable?", icon=":material/balance:"):
        if counted.is_empty():
            st.caption("Nothing is known of age, size, levels, sex or procedure.")
            return
        judged = balance_of_counts(counted, groups[0], groups[1]) if len(groups) == 2 else ()
        words = balance_words(counted, groups, judged)
        st.table(words, hide_index=True)
        st.caption(_balance_notes(judged, len(groups)))
        downloads.offer(
            counted.drop("place"), key="significance-balance", title="Who is in the groups",
            filters=view.filters, words=words,
            cells=downloads.Cells("n", ("group", "characteristic", "level")),
        )  # fmt: skip


def _balance_notes(judged: tuple[Balance, ...], n_groups: int) -> str:
    """Say what a difference means, and what it does not."""
    if n_groups != 2:
        return "Standardised differences are of two groups: choose two to see them."
    apart = [_title(row.characteristic).lower() for row in judged if row.imbalanced]
    return (
        (f"The groups differ in {', '.join(apart)}. " if apart else "")
        + f"Difference in standard deviations, of shares after Yang & Dalton; above {LIMIT:g} in"
        " size it may explain a difference of the outcome. All procedures of the groups, with an"
        " outcome or without. What is not recorded may differ too."
    )


def _title(characteristic: str) -> str:
    return CHARACTERISTICS[characteristic].split(",")[0].split(":")[0]


def balance_words(
    counted: pl.DataFrame, groups: list[str], judged: tuple[Balance, ...]
) -> pl.DataFrame:
    """Return one row a characteristic, one column a group, and the standardised difference."""
    differences = {row.characteristic: row for row in judged}
    rows = []
    for name in counted["characteristic"].unique(maintain_order=True):
        part = counted.filter(pl.col("characteristic") == name)
        row = {"Characteristic": CHARACTERISTICS[name]}
        row |= {group: _group_words(part.filter(pl.col("group") == group)) for group in groups}
        if judged:
            row["Difference, SD"] = _difference_words(differences[name])
        rows.append(row)
    return pl.DataFrame(rows)


def _difference_words(found: Balance) -> str:
    if found.smd is None:
        return found.why_not.removeprefix("cannot be computed, because ")
    shown = f"{round(found.smd, 2) + 0.0:.2f}".replace("-", "−")
    return shown + (" ▲" if found.imbalanced else "")


def _group_words(part: pl.DataFrame) -> str:
    """Write a mean with SD, or the most frequent categories with their shares."""
    total = int(part["n"].sum())
    if not total:
        return fmt.DASH
    if part["level"].null_count() == part.height:
        row = part.row(0, named=True)
        sd = math.sqrt(row["variance"]) if row["variance"] is not None else None
        spread = fmt.DASH if sd is None else fmt.number(sd)
        return f"{fmt.number(row['mean'])} ({spread}), n = {fmt.count(total)}"
    code = part["characteristic"][0] == "procedure"
    most = part.sort("n", "level", descending=[True, False])
    said = [
        f"{fmt.procedure(level) if code else level} {fmt.percent(round(n / total, 3))}"
        for level, n in most.head(MOST_WRITTEN).select("level", "n").iter_rows()
    ]
    others = most.height - MOST_WRITTEN
    return (
        ", ".join(said) + (f", {others} more" if others > 0 else "") + f"; n = {fmt.count(total)}"
    )


def draw_planning(comparison: Comparison, outcome: Outcome) -> None:
    """Ask what is worth finding, and say how many patients that takes."""
    if plan(comparison, 1.5) is None:
        return
    with st.expander("Plan a study", icon=":material/calculate:"):
        ratio, share = outcome.kind in ("dose", "duration"), outcome.kind == "binary"
        places = st.columns(3)
        start = 1.25 if ratio else 5.0 if share else 1.0
        difference = places[0].number_input(
            f"Worth finding: {outcome.margin_words}", value=start, key=f"worth-{outcome.kind}",
            min_value=0.01 if ratio else None,
        )  # fmt: skip
        power = places[1].number_input("Power, %", 50.0, 99.0, 80.0, 5.0, key="plan-power")
        alpha = places[2].number_input(
            "Level, %, two-sided", 0.1, 20.0, 5.0, 1.0, key="plan-alpha", format="%.1f"
        )
        found = plan(comparison, difference / 100 if share else difference, power / 100,
                     alpha / 100)  # fmt: skip
        if isinstance(found, Plan):
            st.table(plan_words(found, comparison, power), hide_index=True)
            st.caption(
                f"For {found.method}, taking over {found.basis}. A plan for a study to come: the"
                " power at an effect that was found says nothing about the result above."
            )
        elif found is not None:
            st.info(f"The plan {found.reason}.")


def plan_words(found: Plan, comparison: Comparison, power_percent: float) -> pl.DataFrame:
    """Return the plan's three figures in words."""
    sizes = " and ".join(fmt.count(group.n) for group in comparison.groups)
    each = found.size
    size = (
        f"{fmt.count(math.ceil(each.value - 1e-9))} in each group"
        if isinstance(each, Estimate)
        else each.reason
    )
    power = fmt.percent(found.power.value) if isinstance(found.power, Estimate) else (
        found.power.reason)  # fmt: skip
    return pl.DataFrame(
        {
            "Question": [
                f"Patients for {power_percent:g}{fmt.THIN}% power",
                f"Power of groups of {sizes}",
                f"Smallest difference that these find with {power_percent:g}{fmt.THIN}% power",
            ],
            "Answer": [size, power, _smallest_words(found.smallest, comparison)],
        }
    )


def _smallest_words(found: Estimate | NotComputable, comparison: Comparison) -> str:
    if isinstance(found, NotComputable):
        return found.reason
    if comparison.kind == "binary":
        return f"{fmt.number(100 * found.value)} percentage points more than the first group"
    if comparison.kind in ("dose", "duration"):
        return f"ratio {fmt.number(found.value)}"
    return fmt.quantity(found.value, comparison.unit)
