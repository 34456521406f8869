"""Running steps: `runs` decides and keeps account, `cluster` has the workers, `process` runs the code.

Imports go down in this order only.
"""
