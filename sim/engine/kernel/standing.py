"""Replicas that are taken away."""

from __future__ import annotations

from sim.engine.kernel import tournament
from sim.engine.kernel.clock import END, NEVER
from sim.engine.kernel.jit import entry
from sim.engine.kernel.preempt import shut
from sim.engine.kernel.segment import cut
from sim.engine.state import DYING


@entry
def take_down(plan, st, r, tick):
    """Replica `r` is lost at `tick`: at once if it is idle, else at the end of the step under way."""
    event = tournament.key_at(st.events, r)
    if event == NEVER:
        shut(plan, st, r)
        return
    st.standing[r] = DYING
    if (event & 3) == END and st.replicas[r].segment_steps > 1:
        cut(plan, st, r, tick)
