"""Every reachable state of the real machines, alone and in their world, over a finite set of representative facts.

`walk` explores any model; `subscription`, `ceremony` and `money` are the models of our machines, `world` puts them
among outbox, answers on their way, providers and faults. What is merged into one state, and why that is sound, is said
in each module's docstring, and for readers in docs/exploration.md.
"""
