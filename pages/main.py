"""The frame of every page: who is there, and where they can go."""

from pathlib import Path

import streamlit as st

from pages import frame

_HERE = Path(__file__).parent

# Pictures of our own: a Material icon in the tab would be fetched from the internet.
st.set_page_config(page_title="Measure First", page_icon=_HERE / "icon.svg", layout="wide")
st.logo(_HERE / "logo.svg", size="large")


def _signed_in() -> bool:
    """Whether this visitor may see the team's evaluations."""
    if not frame.needs_sign_in() or st.user.is_logged_in:
        return True
    st.title("Measure First")
    st.write("Sign in to see your team's evaluations.")
    if st.button("Sign in", type="primary"):
        st.login()
    return False


# No page is known before that: a deep link leads to the sign-in, and no other script is run.
if _signed_in():
    page = st.navigation(
        [
            st.Page(
                "evaluations.py",
                title="Evaluations",
                icon=":material/home:",
                default=True,
                help="All evaluations of the team, the queue, and where a new one begins.",
            ),
            st.Page(
                "guide.py",
                title="Guide",
                icon=":material/menu_book:",
                help="What quantization is, what to expect, common mistakes, and the words.",
            ),
            # Steps of one evaluation: reached from it, not from the top of every page.
            st.Page("upload.py", title="Upload", visibility="hidden"),
            st.Page("method.py", title="Method", visibility="hidden"),
            st.Page("runs.py", title="Runs", visibility="hidden"),
            st.Page("decision.py", title="Decision", visibility="hidden"),
        ],
        position="top",
    )
    page.run()
