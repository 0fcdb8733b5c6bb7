"""Are we where we should be: typical values of facilities and rooms against reference levels."""

import polars as pl
import streamlit as st

from analytics.effective_sums import effective_sums
from analytics.level_table import against_saved, decisions, local_levels
from pages.dose import level_tables as tables
from pages.dose.measures import MEASURES, DoseMeasure, offered
from pages.shared import auth, charts, coefficients, data, downloads, filters, page
from pages.shared import format as fmt
from pages.shared.page import View
from warehouse import confirmed_coefficients as marked
from warehouse import local_levels as kept
from warehouse.access import Person, RefusedError, may
from warehouse.reference import reference_levels
from warehouse.settings import shown

FACILITIES, ROOMS = {"site": "Site"}, {"site": "Site", "room": "Room"}


def choose(choices: pl.DataFrame) -> tuple[str, DoseMeasure]:
    """Ask for the dose index."""
    names = {
        f"{modality}.{name}": f"{MEASURES[name].label} ({modality})"
        for modality, name in offered(choices)
    }
    modality, name = filters.choose("index", "Dose index", names).split(".", 1)
    return modality, MEASURES[name]


def draw_verdicts(table: pl.DataFrame) -> None:
    """Say at a glance how many medians got which verdict."""
    with st.container(horizontal=True, gap="small"):
        for decision, n in decisions(table).items():
            st.badge(f"{fmt.count(n)} {decision.value}", color=tables.BADGES[decision])


def draw_table(
    table: pl.DataFrame, places: dict[str, str], measure: DoseMeasure, key: str, view: View
) -> None:
    """Draw medians or percentiles; a chosen row says where its levels are from."""
    title = "Rooms" if "room" in places else "Facilities"
    with st.container(horizontal=True, vertical_alignment="bottom"):
        kinds = {"verdict": "Verdicts", "percentiles": "Percentiles P10 to P99"}
        kind = filters.choose(f"{key}-show", title, kinds)
        write = tables.verdicts if kind == "verdict" else tables.percentiles
        words = write(table, places, measure.index.unit)
        st.space("stretch")
        downloads.offer(
            words, key=key, title=f"{title}: {measure.label}", filters=view.filters,
            cells=downloads.Cells("n", ("Procedure", *places.values())),
        )  # fmt: skip
    picked = st.dataframe(
        words, hide_index=True, placeholder=fmt.DASH, key=f"{key}-table", alt=title,
        on_select="rerun", selection_mode="single-row", height=min(38 + 35 * len(words), 420),
        row_height=35,
    )  # fmt: skip
    rows = picked["selection"]["rows"]
    if not rows or rows[0] >= len(table):
        st.caption("Choose a row to see where its reference level comes from.")
        return
    row = table.row(rows[0], named=True)
    with st.container(border=True):
        st.markdown(f"**Levels for {fmt.procedure(row['procedure_code'])}**")
        for words in tables.provenance(reference_levels(), row["reference_ids"]):
            st.markdown(words)
        if not row["reference_ids"]:
            st.markdown("No published level is known for it: compute and keep an own one below.")


def draw_local(
    cases: pl.DataFrame, modality: str, measure: DoseMeasure, size: str, view: View
) -> None:
    """Draw the own levels beside the saved ones; save today's."""
    st.header("Own levels", anchor=False)
    st.caption(
        "With ten or more rooms of at least 20 cases each, the P75 of their medians is a local "
        "reference level; with fewer, the median is a typical value and no level to exceed."
    )
    unit = measure.index.unit
    local = local_levels(cases, unit, tables.band(size))
    mine = {"modality": modality, "size_band": size, "dose_index": measure.name}
    saved = kept.saved(shown(), data.scope()).filter(
        pl.col(name) == value for name, value in mine.items()
    )
    words = tables.local_words(against_saved(local, saved), unit)
    st.dataframe(
        words, hide_index=True, placeholder=fmt.DASH, height=min(38 + 35 * len(words), 420),
        row_height=35, alt="Own levels beside the saved ones",
    )  # fmt: skip
    known = local.filter(pl.col("value").is_not_null())
    reader = auth.person()
    with st.container(horizontal=True, vertical_alignment="center"):
        if may(reader, "own level") and len(known):
            st.button(
                f"Save these {fmt.plural(len(known), 'level')}", icon=":material/save:",
                key="save-levels", on_click=save, args=(known, mine, unit, view, reader),
                help="Kept with the day, the filters and the snapshot, to compare with later.",
            )  # fmt: skip
        downloads.offer(words, key="own-levels", title="Own levels", filters=view.filters,
                        cells=downloads.Cells("Cases", ("Procedure",)))  # fmt: skip
        if len(saved):
            figures = {"value", "low", "high", "rooms", "cases"}
            said = tuple(name for name in saved.columns if name not in figures)
            downloads.offer(saved, key="saved-levels", title="Every saved level",
                            cells=downloads.Cells("cases", ("id",), words=said))  # fmt: skip
    if told := st.session_state.pop("levels-saved", None):
        st.success(told)


def save(known: pl.DataFrame, of: dict[str, str], unit: str, view: View, person: Person) -> None:
    """Keep the own levels with where they come from; a callback."""
    path = data.snapshot()
    facts = of | {
        "unit": unit, "filters": "; ".join(view.filters.words()),
        "from_date": view.filters.from_date, "to_date": view.filters.to_date,
        "snapshot": path.name if path else "",
    }  # fmt: skip
    rows = known.with_columns(**{name: pl.lit(value) for name, value in facts.items()})
    n = kept.save(shown(), rows, person)
    st.session_state["levels-saved"] = f"{fmt.plural(n, 'level')} saved for later comparison."


def draw_effective(view: View) -> None:
    """Draw the sums of effective dose: the only axis that CT and fluoroscopy share."""
    st.header("Effective dose of the population", anchor=False)
    active = coefficients.in_force()
    sums = effective_sums(
        data.query("levels_effective", view.filters), active, ["site", "modality"]
    )
    words = tables.effective_words(sums)
    st.dataframe(words, hide_index=True, placeholder=fmt.DASH, alt="Sums of effective dose")
    downloads.offer(
        words, key="effective", title="Effective dose sums", filters=view.filters,
        cells=downloads.Cells("Cases", ("Site", "Modality"), parts=("Estimated",)),
    )  # fmt: skip
    st.caption(tables.EFFECTIVE_NOTE)
    with st.expander("Coefficients in force"):
        st.dataframe(
            tables.coefficient_words(active), hide_index=True, placeholder=fmt.DASH,
            alt="Coefficients in force",
        )  # fmt: skip
        draw_unverified()


def draw_unverified() -> None:
    """List the coefficients that nobody has read in their source, and let an RSO confirm them."""
    off, on = marked.unverified(), marked.confirmed(shown())
    history = marked.marks(shown())
    st.markdown(f"**{fmt.plural(len(off), 'coefficient')} off until confirmed**")
    st.dataframe(
        tables.unverified_words(off, on, history), hide_index=True, placeholder=fmt.DASH,
        alt="Coefficients off until confirmed",
    )  # fmt: skip
    if told := st.session_state.pop("coefficients-told", None):
        st.success(told)
    if not auth.may_do("coefficient"):
        st.caption("Coefficients are confirmed by a radiation safety officer of all sites.")
        return
    with st.form(f"confirm-coefficients-{len(history)}", border=False):
        wanted = st.multiselect(
            "Confirmed", off["coefficient_id"].to_list(), default=sorted(on),
            placeholder="None", help="In force from now on, in every figure; the newest "
            "publication of the ICRP goes before an older one.",
        )  # fmt: skip
        why = st.text_input("Why", max_chars=1000, placeholder="Where the value was read")
        if not st.form_submit_button("Record", icon=":material/save:"):
            return
    try:
        n = marked.confirm(shown(), wanted, auth.person(), why)
    except (marked.CoefficientError, RefusedError) as error:
        st.error(f"Nothing was written: {error}.")
        return
    st.session_state["coefficients-told"] = f"{fmt.plural(n, 'coefficient')} changed."
    st.rerun()


def main() -> None:
    """Draw the page."""
    view = page.begin("Reference levels", "Are we where we should be?")
    choices = data.query("trends_choices", view.filters)
    if not offered(choices):
        st.info("No CT or fluoroscopy procedure in this view has a dose: widen the period.")
        st.stop()
    modality, measure = choose(choices)
    cases = data.query("levels_values", view.filters, modality=modality, dose_index=measure.name)
    sizes = tables.sizes(cases)
    if st.session_state.get("size") not in sizes:
        st.session_state.pop("size", None)
    size = st.selectbox(
        "Size", list(sizes), key="size", bind="query-params", format_func=sizes.__getitem__,
        width=300,
    )  # fmt: skip
    facilities = tables.judged(cases, FACILITIES, modality, measure, size)
    if facilities.is_empty():
        st.info("No mapped procedure of this size has a dose here: choose another size.")
        st.stop()
    draw_verdicts(facilities)
    chart, shown = tables.medians(facilities, measure)
    charts.show(
        chart, shown, key="medians", filters=view.filters,
        cells=downloads.Cells("n", ("Procedure", "site")),
        title=f"{measure.label}, {modality}: medians and reference levels",
        alt_text="Medians of facilities with 95 % intervals beside reference levels",
    )  # fmt: skip
    st.caption(tables.READING)
    draw_table(facilities, FACILITIES, measure, "facilities", view)
    draw_table(tables.judged(cases, ROOMS, modality, measure, size), ROOMS, measure, "rooms", view)
    draw_local(cases, modality, measure, size, view)
    draw_effective(view)


main()
