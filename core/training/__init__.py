"""The one training loop, losses and augmentation."""
