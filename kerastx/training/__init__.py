"""What `compile()` and `fit()` need: optimizers, schedules, losses, metrics, callbacks."""
