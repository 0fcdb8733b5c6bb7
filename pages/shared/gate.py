"""The gate before every page: who may go on, and what the others are told."""

import streamlit as st


def refused() -> None:
    """Stand for a page that the reader's role does not open."""
    st.title("Not for your role", anchor=False)
    st.markdown(
        "This page is not among those that your role opens. Choose one from the menu; whoever"
        " manages the roles at your sign-in provider can give you another."
    )
