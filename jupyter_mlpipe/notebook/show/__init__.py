"""What a notebook shows: receipts, tables, plans, tracebacks and the graph, saved and live."""
