"""What all charts have in common: colours, sizes, an accessible name and a download menu.

Channels are objects with a stated type, never shorthand strings: Altair takes five milliseconds to
guess the type of each of those.
"""

from collections.abc import Iterable, Mapping

import altair as alt
import polars as pl
import streamlit as st
from streamlit.elements.vega_charts import AltairChart

from pages.shared import downloads
from pages.shared.filters import Filters

HEIGHT = 280
TALL = 380
SHORT = 220
#: Below this width of the window, pixels, charts give up columns of text and shorten labels.
NARROW = 640
MODALITIES = ("CT", "fluoroscopy", "ultrasound")
#: Okabe and Ito's palette: told apart by people with any common colour blindness.
OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#999999")
MODALITY_COLOURS: dict[str, str] = dict(zip(MODALITIES, OKABE_ITO, strict=False))
MODALITY_SHAPES: dict[str, str] = dict(
    zip(MODALITIES, ("circle", "square", "triangle-up"), strict=False)
)
MODALITY_DASHES: dict[str, list[int]] = dict(zip(MODALITIES, ([1, 0], [6, 3], [2, 2]), strict=True))
#: Very dissatisfied … very satisfied: diverging, light in the middle.
SATISFACTION_COLOURS = ("#D55E00", "#E9A176", "#BBBBBB", "#7FB8D8", "#0072B2")
NEUTRAL = "#8A8A8A"


def modality_colour(present: Iterable[str] = MODALITIES, legend: bool = True) -> alt.Color:
    """Colour by modality, the same on every page; the legend names those that are present."""
    return alt.Color(
        "modality", type="nominal", scale=_scale(MODALITY_COLOURS, present),
        legend=alt.Legend(title=None, orient="top", symbolOpacity=1) if legend else None,
    )  # fmt: skip


def modality_shape(present: Iterable[str] = MODALITIES) -> alt.Shape:
    """Mark by modality, so that colour is not the only sign."""
    return alt.Shape(
        "modality", type="nominal", legend=None, scale=_scale(MODALITY_SHAPES, present)
    )


def modality_dash(present: Iterable[str] = MODALITIES) -> alt.StrokeDash:
    """Dash by modality, so that colour is not the only sign."""
    return alt.StrokeDash(
        "modality", type="nominal", legend=None, scale=_scale(MODALITY_DASHES, present)
    )


def _scale(look: Mapping[str, str] | Mapping[str, list[int]], present: Iterable[str]) -> alt.Scale:
    """Give each modality that is present its own look, whichever others there are."""
    shown = [modality for modality in MODALITIES if modality in set(present)]
    return alt.Scale(domain=shown, range=[look[modality] for modality in shown])


def by_width(narrow: object, wide: object) -> alt.ExprRef:
    """Return a setting that differs on a narrow window; both as Vega expressions."""
    return alt.ExprRef(f"windowSize()[0] < {NARROW} ? {narrow} : {wide}")


def names_axis(limit: int = 300) -> alt.Axis:
    """Return the axis of long names; a narrow window leaves room for the plot beside them."""
    return alt.Axis(labelLimit=by_width(130, limit), labelOverlap=False)


def show(
    chart: AltairChart,
    frame: pl.DataFrame,
    *,
    key: str,
    title: str,
    alt_text: str,
    filters: Filters | None = None,
    cells: downloads.Cells | None = None,
    counted: pl.DataFrame | None = None,
) -> None:
    """Draw a chart with its heading, its text alternative and its download menu.

    ``frame`` is what the chart shows, for the table downloads; ``key`` is unique on the page.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f"**{title}**", width="stretch")
        downloads.offer(frame, key=key, title=title, filters=filters, chart=chart, cells=cells,
                        counted=counted)  # fmt: skip
    st.altair_chart(chart, width="stretch", key=f"{key}-chart", alt=alt_text)
