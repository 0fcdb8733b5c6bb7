"""Pages live in sub-folders: Streamlit would serve a script directly in here past the sign-in."""
