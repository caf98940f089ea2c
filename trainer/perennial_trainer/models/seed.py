"""The seed of everything that draws at random: the same data and task make the same bytes."""

SEED = 0
