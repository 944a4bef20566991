"""The machines in their world, on the same pure code that the engine runs.

`engine` is the engine's order as pure functions, `providers` and `signing_desk` what stands at the other end, `faults`
the budget; `subscription` (with `merging` and `persons`), `signatories` (with `ceremonies`) and `renewals` are the
worlds.
"""
