"""Pure functions on Polars frames and numbers: no Streamlit, no SQL, no files."""
