"""Components as steps: who bound which name, where reads come from, and what became of each."""
