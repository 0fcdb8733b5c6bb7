"""The filter bar that all pages share; its state lives in the address."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import polars as pl
import streamlit as st

from pages.shared import address
from pages.shared import format as fmt

PERIODS = {
    "12m": "12 months",
    "90d": "90 days",
    "30d": "30 days",
    "quarter": "This quarter",
    "all": "All",
    "range": "Range",
}
AGE_BANDS: dict[str, tuple[float | None, float | None]] = {
    "all": (None, None),
    "under 18": (None, 18),
    "18-39": (18, 40),
    "40-59": (40, 60),
    "60-79": (60, 80),
    "80 and over": (80, None),
}
BMI_BANDS: dict[str, tuple[float | None, float | None]] = {
    "all": (None, None),
    "under 18.5": (None, 18.5),
    "18.5-24.9": (18.5, 25),
    "25-29.9": (25, 30),
    "30-34.9": (30, 35),
    "35 and over": (35, None),
}
UNMAPPED = "unmapped"
choose = address.choose  #: a page's own choice
_STATE = "chosen_filters"
_DEFAULTS: dict[str, Any] = {
    "period": "12m",
    "modality": [],
    "procedure": [],
    "site": [],
    "room": [],
    "operator": [],
    "age": "all",
    "bmi": "all",
}


@dataclass(frozen=True)
class Filters:
    """What the reader chose; None leaves a filter open. Days are inclusive at both ends.

    An age or BMI band takes its lower bound in and leaves its upper bound out. That only the first
    record of each patient counts is chosen on a page, for its own queries, and said with the rest.
    """

    from_date: date | None = None
    to_date: date | None = None
    modalities: tuple[str, ...] | None = None
    procedures: tuple[str, ...] | None = None
    sites: tuple[str, ...] | None = None
    rooms: tuple[str, ...] | None = None
    operators: tuple[str, ...] | None = None
    age_low: float | None = None
    age_high: float | None = None
    bmi_low: float | None = None
    bmi_high: float | None = None
    first_of_patient: bool = False

    def parameters(self) -> dict[str, Any]:
        """Return the parameters that ``parts/filtered.sql`` takes."""
        return {name: value for name, value in vars(self).items() if name != "first_of_patient"}

    def previous(self) -> "Filters | None":
        """Return the same filters on the period of equal length just before, if there is one."""
        if self.from_date is None or self.to_date is None:
            return None
        days = (self.to_date - self.from_date).days + 1
        before = timedelta(days=days)
        return replace(self, from_date=self.from_date - before, to_date=self.to_date - before)

    @property
    def days(self) -> int | None:
        """Length of the period in days."""
        if self.from_date is None or self.to_date is None:
            return None
        return (self.to_date - self.from_date).days + 1

    def words(self) -> list[str]:
        """Return the filters in words, the period first; for captions and download headers."""
        said = [f"{fmt.day(self.from_date)} to {fmt.day(self.to_date)}"] if self.from_date else []
        lists = (self.modalities, self.sites, self.rooms)
        said += [", ".join(values) for values in lists if values]
        if self.procedures:
            said.append(", ".join(fmt.procedure(code) for code in self.procedures))
        if self.operators:
            said.append(fmt.plural(len(self.operators), "operator"))
        said += _band_words("age", "years", self.age_low, self.age_high)
        said += _band_words("BMI", "kg/m²", self.bmi_low, self.bmi_high)
        if self.first_of_patient:
            said.append("first record of each patient")
        return said

    def narrowing(self) -> list[str]:
        """Return the names of the filters besides the period that are set."""
        named = {
            "modality": self.modalities,
            "procedure": self.procedures,
            "site": self.sites,
            "room": self.rooms,
            "operator": self.operators,
            "age": self.age_low is not None or self.age_high is not None,
            "size": self.bmi_low is not None or self.bmi_high is not None,
        }
        return [name for name, value in named.items() if value]


def current() -> Filters:
    """Return the filters of this run; ``bar`` has set them before the page runs."""
    return st.session_state[_STATE]


def bar(
    values: pl.DataFrame, data_from: date | None, data_to: date | None, beside: Callable[[], None]
) -> Filters:
    """Draw the bar above the page and remember what it says.

    ``values`` are the rows of query ``filter_values``; relative periods end on ``data_to``, the
    last day with data. A warehouse without procedures has nothing to filter. ``beside`` draws what
    stands at the end of the row.
    """
    if data_from is None or data_to is None:
        beside()
        st.session_state[_STATE] = Filters()
        return Filters()
    with st.container(horizontal=True, vertical_alignment="bottom", key="filters"):
        period = st.segmented_control(
            "Period", list(PERIODS), default="12m", required=True, format_func=PERIODS.__getitem__,
            key="period", bind="query-params", wrap=True,
            help=f"Relative periods end on {fmt.day(data_to)}, the last day with data.",
        )  # fmt: skip
        chosen = {"modality": _choice("modality", "Modality", values, width=210)}
        count = st.session_state.get("_filter_count", 0)
        with st.popover(f"More filters ({count})" if count else "More filters", key="more"):
            chosen |= _more(values)
            age = _band("age", "Age, years", AGE_BANDS)
            bmi = _band("bmi", "Size: body mass index, kg/m²", BMI_BANDS)
        st.button("Reset", on_click=reset, type="tertiary", icon=":material/restart_alt:")
        beside()
    from_date, to_date = _period(period or "12m", data_from, data_to)
    age_low, age_high = AGE_BANDS[age]
    bmi_low, bmi_high = BMI_BANDS[bmi]
    lists: dict[str, Any] = {f"{_many(key)}": tuple(chosen[key]) or None for key in _LISTS}
    found = Filters(
        from_date, to_date, **lists,
        age_low=age_low, age_high=age_high, bmi_low=bmi_low, bmi_high=bmi_high,
    )  # fmt: skip
    st.session_state[_STATE] = found
    _refresh_count(found)
    return found


def reset() -> None:
    """Put every filter back to its default; a callback."""
    for key, default in _DEFAULTS.items():
        st.session_state[key] = default


def narrow(**values: Any) -> None:
    """Set filters from a click on a chart or a row, by their key; call it in a callback.

    Keys are those in the address: period, modality, procedure, site, room, operator, age, bmi.
    """
    for key, value in values.items():
        st.session_state[key] = value


_LISTS = ("modality", "procedure", "site", "room", "operator")


def _many(key: str) -> str:
    return "modalities" if key == "modality" else f"{key}s"


def _choice(
    field: str, label: str, values: pl.DataFrame, width: int | None = None, bound: bool = True
) -> list[str]:
    """Draw one list of values, the most frequent first."""
    options = values.filter(pl.col("field") == field)["value"].to_list()
    named: Callable[[str], str] = fmt.procedure if field == "procedure" else str
    return st.multiselect(
        label, options, key=field, format_func=named, placeholder="All",
        width=width or "stretch", bind="query-params" if bound else None,
        persist_state=None if bound else "session",
    )  # fmt: skip


def _band(key: str, label: str, bands: dict[str, tuple[float | None, float | None]]) -> str:
    """Draw the choice of one band."""
    return st.selectbox(label, list(bands), key=key, bind="query-params", format_func=_sentence)


def _more(values: pl.DataFrame) -> dict[str, list[str]]:
    """Draw the filters behind the button."""
    return {
        "procedure": _choice("procedure", "Procedure", values),
        "site": _choice("site", "Site", values),
        "room": _choice("room", "Room", values),
        "operator": _choice("operator", "Operator (not kept in the address)", values, bound=False),
    }


def _sentence(band: str) -> str:
    return band.capitalize()


def _period(period: str, data_from: date, data_to: date) -> tuple[date, date]:
    """Return the first and last day of a named period."""
    if period == "all":
        return data_from, data_to
    if period == "range":
        return _range(data_from, data_to)
    if period == "quarter":
        return date(data_to.year, 3 * ((data_to.month - 1) // 3) + 1, 1), data_to
    if period == "12m":
        return data_to - timedelta(days=364), data_to
    return data_to - timedelta(days=int(period.removesuffix("d")) - 1), data_to


def _range(data_from: date, data_to: date) -> tuple[date, date]:
    """Ask for a free range; one typed back to front is turned round, and said so."""
    chosen = st.date_input(
        "From and to", (data_from, data_to), key="range", bind="query-params",
        format="YYYY-MM-DD", width=260, min_value=date(1970, 1, 1), max_value=date(2099, 12, 31),
    )  # fmt: skip
    days = [day for day in (chosen if isinstance(chosen, tuple) else (chosen,)) if day]
    if not days:
        return data_from, data_to
    if len(days) == 1:
        st.caption("Choose the last day of the range; until then it ends with the data.")
        days.append(max(data_to, days[0]))
    if days[0] > days[1]:
        st.info(f"The range ran backwards; shown is {fmt.day(days[1])} to {fmt.day(days[0])}.")
    return min(days), max(days)


def _band_words(name: str, unit: str, low: float | None, high: float | None) -> list[str]:
    if low is None and high is None:
        return []
    if low is None:
        return [f"{name} under {high:g} {unit}"]
    if high is None:
        return [f"{name} {low:g} {unit} and over"]
    return [f"{name} {low:g} to under {high:g} {unit}"]


def _refresh_count(found: Filters) -> None:
    """Keep the number on the button right: it is drawn before the widgets that it counts."""
    count = len([name for name in found.narrowing() if name != "modality"])
    if st.session_state.get("_filter_count", 0) != count:
        st.session_state["_filter_count"] = count
        st.rerun()
