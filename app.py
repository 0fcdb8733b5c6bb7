"""The dashboard's router: page configuration, gate, filter bar, navigation; no logic of its own."""

import gc

import streamlit as st

from pages.shared import auth, data, downloads, filters, gate, navigation, page

ICON = navigation.ROOT / "deploy" / "icon.png"

#: No one colour is read both below white (buttons) and on the dark ground (chosen segments): these
#: take the colour of the text around them.
STYLE = """<style>
[data-testid="stButtonGroup"] button[data-selected="true"],
[data-testid="stButtonGroup"] button[data-selected="true"] *,
[data-testid="stPopover"] button[aria-expanded="true"],
[data-testid="stPopover"] button[aria-expanded="true"] * {color: inherit !important}
</style>"""

st.set_page_config("Kerma", page_icon=str(ICON), layout="wide")


@st.cache_resource(show_spinner=False)
def freeze_imports() -> int:
    """Keep the libraries' objects out of every garbage collection: they are never freed."""
    gc.collect()
    gc.freeze()
    return gc.get_freeze_count()


def main() -> None:
    """Let nobody past the gate without a role; draw the filter bar above the chosen page."""
    freeze_imports()
    if not gate.passed():
        navigation.closed()
        return
    downloads.hide_own()
    st.html(STYLE)
    chosen, of_data = navigation.choose(auth.person().roles, gate.refused)
    if not of_data:
        gate.reader()
        chosen.run()
    elif data.snapshot() is None:
        page.no_warehouse()
    elif data.schema_differs():
        page.other_schema()
    else:
        known = data.query("freshness").row(0, named=True)
        values = data.query("filter_values")
        filters.bar(values, known["data_from"], known["data_to"], beside=gate.reader)
        chosen.run()


main()
