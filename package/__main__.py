"""`python -m vaiven` is the command `vaiven`."""

import sys

from vaiven.pipeline.cli import main

if __name__ == '__main__':
    sys.exit(main())
