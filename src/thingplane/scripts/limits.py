"""What one call of a script may use."""

CPU_S = 1.0
"""CPU time in seconds."""
CPU_GRACE_S = 0.5
"""Seconds that a language with a time limit of its own has to report it, before the process is killed."""
WALL_S = 5.0
"""Seconds until the node kills a guest that says nothing, whatever it does: a call that is only starved of CPU by
other processes may take longer than its CPU time."""
LONG_S = 0.25
"""Seconds after which a call has taken long, whether it computes or waits: other products go first for a while."""
IDLE_S = 5.0
"""Seconds without a call after which the node ends a guest: its memory is free again, and a script that has answered
and computes on, out of reach of its time limit, does not do so for long."""
MEMORY_BYTES = 64 * 1024 * 1024
"""Memory beyond what the interpreter itself needs."""
BUFFERS_BYTES = 24 * 1024 * 1024
"""Memory for messages on their way in and out, beyond what scripts may use."""
RESULT_BYTES = 512 * 1024
"""Longest result, as JSON text."""
CONSOLE_CHARACTERS = 8 * 1024
"""What is kept of that which a script prints."""
CALLS_PER_GUEST = 50_000
"""After so many calls a guest is replaced, for the sake of whatever its language's runtime leaks."""
PRINTED_BYTES = 4 * CONSOLE_CHARACTERS
"""The same in UTF-8."""
