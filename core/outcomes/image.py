"""Networks that read the picture alone."""

from __future__ import annotations

from functools import partial

from core.contracts.forecast import PredictorSpec
from core.outcomes._network_predictor import Design, NetworkPredictor

PLUGINS = (
    PredictorSpec(
        name="image_cnn3d",
        label="3-D network",
        family="image",
        inputs=("image",),
        kinds=("binary", "time_to_event"),
        make=partial(NetworkPredictor, "image_cnn3d", Design("image", "cnn3d", uses_record=False)),
        description="A small residual network on the volume around the affected organ; one body serves all outcomes.",
        reference="He et al., CVPR 2016, 10.1109/CVPR.2016.90",
        is_network=True,
        variants=False,
    ),
    PredictorSpec(
        name="image_timm2d",
        label="2-D network on three views",
        family="image",
        inputs=("image",),
        kinds=("binary", "time_to_event"),
        make=partial(NetworkPredictor, "image_timm2d", Design("image", "timm2d", uses_record=False)),
        description="A 2-D backbone of timm on three views of the volume, from scratch or with weights learned elsewhere.",
        reference="Wightman, PyTorch Image Models, 10.5281/zenodo.4414861",
        is_network=True,
        variants=False,
    ),
)
