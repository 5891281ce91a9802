"""``python -m kdbook.cli`` is the ``kdbook`` command."""

from kdbook.cli import main

if __name__ == "__main__":
    main()
