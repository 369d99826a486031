"""Which tests stay together where several processes run the suite, each with a stack of its own.

A file does; a directory whose tests share servers besides the stack does as a whole; and the long list of the fuzz goes
by what its operations are about.
"""

from __future__ import annotations

import re

from xdist.scheduler import LoadScopeScheduling

WHOLE = re.compile(r"tests/(?:crash|semantic_cache)/")
FUZZED = re.compile(r"(tests/fuzz/.*)\[[A-Z]+ (?:/v1)?/([\w-]+)")


class SideBySide(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        if whole := WHOLE.match(nodeid):
            return whole[0]
        if fuzzed := FUZZED.match(nodeid):
            return f"{fuzzed[1]}[{fuzzed[2]}]"
        return nodeid.split("::", 1)[0]
