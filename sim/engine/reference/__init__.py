"""The reference engine: the same data center in plain SimPy, to check the kernel against.

A process per replica, one event per step, plain Python lists. SimPy's clock counts ticks (see `kernel.clock`); each
replica keeps its own float clock, as in the kernel. Demand comes from the same keyed draws. To read in this order:
`call` and `replica` (what a step does), `prefix` and `adapters` (what a replica keeps in memory), `program` (what a
request does), `clients` (who asks, and what becomes of them), `router`, `books`, and `center`, which holds them.
"""
