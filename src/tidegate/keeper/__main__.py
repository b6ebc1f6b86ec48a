"""`python -m tidegate.keeper`: see `main`."""

import sys

from tidegate.keeper.main import main

sys.exit(main())
