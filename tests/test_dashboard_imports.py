"""What the pages load: no page that shows stored results brings a library that takes long to load."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dashboard.views import PAGES
from tests.conftest import ROOT
from tests.fixtures_segmentation import segmentation_study
from tests.fixtures_studies import synthetic_study, write_study

NETWORKS = {"torch", "torchvision", "timm", "monai", "segmentation_models_pytorch", "captum", "lightning_fabric", "optuna"}
LEARNERS = {"shap", "lightgbm", "lifelines", "interpret"}
STATISTICS = {"scipy", "sklearn", "statsmodels", "skimage", "numba"}
OPENS_MODELS = {"counseling"}
DRAWS_CASES = {"segmentation_benchmark", "errors_and_robustness"}

# Draws one page after the other in one process; after each, all that is loaded.
DRAW = """
import json, sys
from streamlit.testing.v1 import AppTest

PAGE = '''
from dashboard.views import PAGES
from dashboard.widgets.trouble import guarded
guarded(PAGES.get(%r).render)()
'''

loaded = {}
for name in json.loads(sys.argv[1]):
    test = AppTest.from_string(PAGE % name, default_timeout=120).run()
    assert not test.exception, name
    loaded[name] = sorted({module.split(".")[0] for module in sys.modules})
print(json.dumps(loaded))
"""


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """By page, the libraries that are loaded once it stands; pages that may load more come last."""
    home: Path = tmp_path_factory.mktemp("house")
    write_study(home, synthetic_study())
    write_study(home, segmentation_study(), run="0123456789abcdef")
    names = sorted(PAGES.names(), key=lambda name: (name in OPENS_MODELS, name in DRAWS_CASES, name))
    environment = {**os.environ, "OPSIGHT_HOME": str(home), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", DRAW, json.dumps(names)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {name: set(found) for name, found in json.loads(done.stdout.splitlines()[-1]).items()}


@pytest.mark.parametrize("name", PAGES.names())
def test_no_page_loads_networks_or_what_explains_and_fits_models(loaded: dict[str, set[str]], name: str) -> None:
    assert not loaded[name] & (NETWORKS | LEARNERS)


@pytest.mark.parametrize("name", sorted(set(PAGES.names()) - OPENS_MODELS - DRAWS_CASES))
def test_pages_of_stored_results_load_no_statistics(loaded: dict[str, set[str]], name: str) -> None:
    """They are computed once, when a study is judged; loading them would double the time to the first page."""
    assert not loaded[name] & STATISTICS
