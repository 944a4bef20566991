"""Real crashes: a process is killed before and after every SQL statement of a journey, and another one goes on.

::

    python -m qcp_sdk.testing.crashes --journey assembled              # every statement, a few minutes
    python -m qcp_sdk.testing.crashes --journey hosted --every 10      # every tenth, and each commit
    python -m qcp_sdk.testing.crashes --journey signing --pairs 50     # two kills each, drawn from --seed
    python -m qcp_sdk.testing.crashes --journey hosted --store my.package:make_store

`points` counts statements and kills; `site` is one installation in a folder; `people` is who goes on after a restart;
`proof` judges what is left; `runs` is the parent. A store of your own is a function from a folder to a `Store`.
"""
