"""How a loss bends around the weights of a network: products with its Hessian, the ends and the density of its spectrum, what kind of point it is, and a step out of a saddle.

Nothing here forms a matrix. P parameters, B batches, k steps of Lanczos; vectors over the parameters are flat, [P], in the order of the parameters.
An `Objective` is a loss over batches, tested when it is made: where two passes differ, nothing here could be believed, and it refuses.
"""
