"""python forbidden.py COMMAND...: the command as in a locked-down container, where nothing may be mounted and no
namespace be made.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from kit.rehearsal.programs import confine

if __name__ == "__main__":
    confine.drop_privileges()
    confine.filter_calls(True)
    os.execvp(sys.argv[1], sys.argv[1:])
