"""One file per family of outcome predictor."""

from core.contracts.forecast import PredictorSpec
from core.registry import Registry

PREDICTORS: Registry[PredictorSpec] = Registry("predictor", "core.outcomes", "opsight.predictors")
