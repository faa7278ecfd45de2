"""Measures the highest Dice that an answer on a coarser grid can reach once it is enlarged, and prints a Markdown table.

    python benchmarks/coarse_grids.py [--cases 80] [--data FOLDER]

A plain CNN and FCN-8s answer on an eighth of the grid, DeepLabV3+ and SegFormer on a quarter. For test cases of each recipe the
coarse logits are fitted to the reference itself: no network with such an answer can do better, however long it learns.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from core.contracts.recipe_file import load_recipe
from core.contracts.segmentation_recipe import SegmentationRecipe
from core.studies.run import Progress, RunOptions
from core.studies.segmentation_plan import make_segmentation_plan
from core.studies.segmentation_run import facts_of, load_pictures, strata_of

RECIPES = ("segmentation_isic", "segmentation_lidc")
COARSER = (2, 4, 8, 16)
STEPS = 40


def best_dice(mask: torch.Tensor, coarser: int) -> float:
    """The Dice of the best enlarged answer for one mask (1, regions, height, width), by gradient descent on soft Dice."""
    grid = mask.shape[2:]
    logits = ((F.avg_pool2d(mask, coarser) - 0.3) * 8).requires_grad_()
    optimiser = torch.optim.Adam([logits], 0.3)
    for _ in range(STEPS):
        chance = enlarged(logits, grid).sigmoid()
        loss = 1 - 2 * (chance * mask).sum() / (chance.sum() + mask.sum() + 1e-6)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    told, drawn = enlarged(logits.detach(), grid) > 0, mask > 0.5
    return float(2 * (told & drawn).sum() / (told.sum() + drawn.sum()))


def enlarged(logits: torch.Tensor, grid: torch.Size) -> torch.Tensor:
    """As the networks enlarge theirs."""
    return F.interpolate(logits, size=tuple(grid), mode="bilinear", align_corners=False)


def masks_of(name: str, cases: int, data: Path | None) -> list[torch.Tensor]:
    """Masks of test cases of the recipe's first fold, on the grid that its networks see."""
    recipe = load_recipe(Path("core/recipes") / f"{name}.yaml", "cpu")
    if not isinstance(recipe, SegmentationRecipe):
        raise SystemExit(f"{name} is no recipe of a segmentation study.")
    pictures = load_pictures(recipe, RunOptions(data=data), Progress())
    facts = facts_of(pictures, Progress())
    test = make_segmentation_plan(recipe, pictures, strata_of(pictures, facts, recipe.folds)).jobs[0].test
    chosen = test[:: max(1, len(test) // cases)]
    drawn = [pictures.source.read(case).mask for case in chosen]
    shape = tuple(recipe.preparation.shape)
    whole = [torch.from_numpy(np.asarray(mask, dtype=np.float32))[None] for mask in drawn if mask is not None]
    return [F.interpolate(mask, size=shape, mode="area") for mask in whole]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=80)
    parser.add_argument("--data", type=Path, default=None)
    options = parser.parse_args()
    print("| recipe | cases | " + " | ".join(f"grid / {step}" for step in COARSER) + " |")
    print("|---" * (2 + len(COARSER)) + "|")
    for name in RECIPES:
        masks = masks_of(name, options.cases, options.data)
        dice = [np.mean([best_dice(mask, step) for mask in masks]) for step in COARSER]
        print(f"| `{name}` | {len(masks)} | " + " | ".join(f"{value:.3f}" for value in dice) + " |", flush=True)


if __name__ == "__main__":
    main()
