"""The dashboard's router: page configuration, filter bar, navigation; no logic of its own."""

import gc

import streamlit as st

from pages.shared import auth, data, filters, gate, navigation, page

ICON = navigation.ROOT / "deploy" / "icon.png"

st.set_page_config("Kerma", page_icon=str(ICON), layout="wide")


@st.cache_resource(show_spinner=False)
def freeze_imports() -> int:
    """Keep the libraries' objects out of every garbage collection: they are never freed."""
    gc.collect()
    gc.freeze()
    return gc.get_freeze_count()


def main() -> None:
    """Draw the filter bar above the chosen page, or say what to do without data."""
    freeze_imports()
    listed = navigation.pages(auth.person().roles, gate.refused)
    chosen = st.navigation(listed, position="top")
    if data.snapshot() is None:
        page.no_warehouse()
        return
    if data.schema_differs():
        page.other_schema()
        return
    known = data.query("freshness").row(0, named=True)
    filters.bar(data.query("filter_values"), known["data_from"], known["data_to"])
    chosen.run()


main()
