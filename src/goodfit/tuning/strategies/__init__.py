"""How settings are chosen: at random, on a grid, from coarse to fine, or by what earlier trials say."""
