"""From the text of a cell to a component. Pure: knows no IPython."""
