"""Streamlit pages, Plotly charts."""
