"""What a governor of power sees and does: the draw of the moment, and a change of step costs, held and shed demand."""

from __future__ import annotations

from sim.engine.kernel import tournament
from sim.engine.kernel.advance import next_stream
from sim.engine.kernel.clock import END, NEVER
from sim.engine.kernel.jit import entry
from sim.engine.kernel.segment import cut, pace, steps_until
from sim.engine.state import OFF


@entry
def draw_w(plan, st, tick, watts):
    """Add to `watts`, float64[P], what the accelerators of each pool draw at `tick` [W]: of the steps under way."""
    last = plan.token_j.shape[1] - 1
    for r in range(st.replicas.size):
        replica = st.replicas[r]
        rate = replica.rate
        costs = plan.rates[rate]
        if st.standing[r] == OFF:
            continue
        if tournament.key_at(st.events, r) == NEVER:
            watts[replica.pool] += costs.idle_w
            continue
        batch = replica.batch
        total = batch * plan.pools[replica.pool].width + replica.prefill
        context = replica.context if batch > 0 else 0.0
        step_s = replica.end_s - replica.begin_s
        if replica.segment_steps > 1:
            slope_s, host_s = pace(plan, replica)
            i = (
                steps_until(replica.begin_s, replica.first_s, slope_s, host_s, replica.segment_steps, tick)
                - 1
            )
            step_s = max(replica.first_s + slope_s * i, host_s)
            context += batch * i * plan.pools[replica.pool].tokens_per_step
        step_j = plan.token_j[rate, min(total, last)] + max(total - last, 0) * costs.token_j_beyond
        step_j += costs.sequence_j * batch + costs.kv_j * context + costs.attention_j * replica.attention
        watts[replica.pool] += costs.static_w + step_j / step_s


@entry
def change(plan, st, tick):
    """Let `next_rate` take effect from the first step that begins at or after `tick`, and `hold` from `tick`."""
    for r in range(st.replicas.size):
        event = tournament.key_at(st.events, r)
        replica = st.replicas[r]
        runs_on = event != NEVER and (event & 3) == END and replica.segment_steps > 1
        if runs_on and replica.rate != replica.next_rate:
            cut(plan, st, r, tick)
    next_stream(plan, st)
