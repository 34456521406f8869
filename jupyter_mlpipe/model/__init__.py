"""Values that every layer shares: components, steps, graphs, resources, states. No I/O."""
