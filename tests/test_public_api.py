"""What the package exports, exactly: a change here is a change for users."""

from __future__ import annotations

import jupyter_mlpipe


def test_the_exported_names_are_these() -> None:
    assert sorted(jupyter_mlpipe.__all__) == [
        "File",
        "Folder",
        "Pipeline",
        "Run",
        "__version__",
        "bind",
        "component",
        "current",
        "load_ipython_extension",
        "log_metric",
        "log_metrics",
        "progress",
        "register_codec",
    ]


def test_each_exported_name_is_there() -> None:
    for name in jupyter_mlpipe.__all__:
        assert getattr(jupyter_mlpipe, name) is not None
