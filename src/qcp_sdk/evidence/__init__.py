"""One file that proves what happened: written by `dossier`, checked by `verifying`, offline and years later.

The file is an ASiC-E container (ETSI EN 319 162-1) with a CAdES signature (ETSI EN 319 122-1) and a timestamp.
"""
