"""The dashboard: ``streamlit run dashboard/app.py``."""

from __future__ import annotations

import streamlit as st

from dashboard.views import PAGES
from dashboard.widgets.pages import navigation
from dashboard.widgets.sidebar import sidebar
from dashboard.widgets.trouble import guarded

ABOUT = "OpSight: which surgical outcome model can be trusted, on whom, and how far; and what a patient may expect. For research."
ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#00618F"/>'
    '<circle cx="16" cy="16" r="8" fill="none" stroke="#fff" stroke-width="3"/>'
    '<circle cx="16" cy="16" r="2.5" fill="#fff"/></svg>'
)

WORDMARK = (
    ICON.removesuffix("</svg>").replace("0 0 32 32", "0 0 132 32")
    + '<text x="42" y="23" font-family="system-ui, sans-serif" font-size="20" font-weight="650" fill="#2E86B8">OpSight</text>'
    "</svg>"
)

st.set_page_config(page_title="OpSight", page_icon=ICON, layout="wide", menu_items={"About": ABOUT})
st.logo(WORDMARK, size="large", icon_image=ICON)
here = navigation(PAGES)
guarded(sidebar)(here.spec.kinds)
here.page.run()
