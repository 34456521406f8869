"""IPython: magics, session, names, displays. The only home of notebook libraries."""
