"""Every reachable state of the real machines, over a finite set of representative facts.

`walk` explores any model; `subscription`, `ceremony` and `money` are the models of our machines. What is merged into
one state, and why that is sound, is said at each model's `key`.
"""
