"""Where work runs; the promises are in `base`."""
