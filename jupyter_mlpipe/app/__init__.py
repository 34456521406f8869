"""The command line: ``jupyter mlpipe``."""
