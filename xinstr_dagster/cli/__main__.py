"""`python -m xinstr_dagster.cli`."""

from xinstr_dagster.cli import main

if __name__ == "__main__":  # a process that builds a language imports this module too
    main()
