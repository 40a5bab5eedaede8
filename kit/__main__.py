"""`python -m kit` is the installed script `kit`."""

from kit.cli import main

main()
