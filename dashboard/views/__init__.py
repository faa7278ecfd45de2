"""One file per page; each ends with ``PLUGINS = (PageSpec(...),)``."""

from core.registry import Registry
from dashboard.widgets.pages import PageSpec

PAGES: Registry[PageSpec] = Registry("page", "dashboard.views", "opsight.pages")
