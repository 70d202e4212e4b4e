"""Linear models solved to their optimum: one algorithm a file, each with its source and the rule by which it stops.

x [n, F] float64, y [n] or classes [n], weight [n] or None for all 1, O outputs. A solver ends when its duality gap or its gradient, relative to where it began,
is below a tolerance, at its largest number of steps, or at a deadline; `Solution` says which.
"""
