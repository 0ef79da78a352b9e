/* The floor of the kernel's speed: the same inner loop in C, on the same plan and state arrays.

   It takes the path of the speed benchmark only: Poisson demand or a burst with keyed draws, plain requests of one
   call each, lengths from quantile tables, least-outstanding routing, chunked prefill with preemption, no prefix
   cache. `benchmarks/floor.py` writes layout.h (structs
   and constants from the Python definitions), compiles this file without contraction of floating-point operations,
   and checks that the results equal the numba kernel's. Each function does what its namesake in sim/engine/kernel
   does; the equations and the total order of events are documented there. */
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "layout.h"

#ifdef FLOOR_PARTS /* each part a function of its own, so that a profiler can tell them apart */
#define PART static __attribute__((noinline))
#else
#define PART static inline __attribute__((always_inline))
#endif
#define SMALL static inline __attribute__((always_inline))

SMALL int64_t min_i(int64_t a, int64_t b) { return a < b ? a : b; }
SMALL int64_t max_i(int64_t a, int64_t b) { return a > b ? a : b; }
SMALL double max_d(double a, double b) { return a > b ? a : b; }
SMALL int64_t tick_of(double time_s) { return (int64_t)rint(time_s * TICKS_PER_S); }
SMALL double seconds_of(int64_t tick) { return (double)tick / TICKS_PER_S; }
SMALL int64_t key_of(int64_t tick, int64_t kind) { return (tick << 2) | kind; }
SMALL int64_t name_of(int64_t workload, int64_t number) {
    return (workload << (PASS_BITS + NUMBER_BITS)) | (number << PASS_BITS);
}
SMALL int64_t workload_of(int64_t name) { return name >> (PASS_BITS + NUMBER_BITS); }

/* ---- random numbers and demand ---- */

SMALL uint64_t mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

SMALL double uniform(uint64_t key, uint64_t counter) {
    uint64_t bits = mix(key + (counter + 1) * 0x9E3779B97F4A7C15u);
    return ((double)(bits >> 11) + 0.5) * (1.0 / 9007199254740992.0);
}

PART double exponential(uint64_t key, uint64_t counter) { return -log(uniform(key, counter)); }

PART int32_t length(const Plan *plan, int64_t w, int64_t side, int64_t number) {
    const Length *law = &plan->lengths.at[2 * w + side];
    if (law->law == FIXED) return (int32_t)law->a;
    const Workload *workload = &plan->workloads.at[w];
    uint64_t key = side == 0 ? workload->input_key : workload->output_key;
    const double *p = plan->table_p.at, *tokens = plan->table_tokens.at;
    double u = uniform(key, (uint64_t)number * DRAWS);
    int64_t cell = plan->guide.at[law->guide + (int64_t)(u * GUIDE)];
    while (p[cell + 1] < u) cell++;
    double start = tokens[cell];
    double value = start + (tokens[cell + 1] - start) * (u - p[cell]) / (p[cell + 1] - p[cell]);
    value += 0.5;
    return (int32_t)max_i(law->least, (int64_t)(value < 1e9 ? value : 1e9));
}

static __attribute__((noinline)) void refill(const Plan *plan, State *st, int64_t w) {
    const Workload *workload = &plan->workloads.at[w];
    Stream *stream = &st->streams.at[w];
    int64_t size = st->chunk_tick.size[1], count = 0;
    int64_t share = workload->process == POISSON ? plan->cells : 1;
    int64_t *ticks = st->chunk_tick.at + w * size, *numbers = st->chunk_number.at + w * size;
    int32_t *inputs = st->chunk_input.at + w * size, *outputs = st->chunk_output.at + w * size;
    stream->head = 0;
    while (count < size) {
        int64_t k = stream->issued;
        if (k >= workload->limit) {
            stream->finished = 1;
            break;
        }
        int64_t number = share > 1 ? k * plan->cells + plan->cell : k;
        if (workload->process == POISSON)
            stream->position += exponential(workload->arrival_key, (uint64_t)number * DRAWS) * (double)share / workload->rate;
        int64_t tick = tick_of(stream->position);
        if (tick >= plan->duration_tick) {
            stream->finished = 1;
            break;
        }
        stream->issued = k + 1;
        ticks[count] = tick;
        numbers[count] = number;
        inputs[count] = length(plan, w, 0, number);
        outputs[count] = length(plan, w, 1, number);
        count++;
    }
    stream->count = (int32_t)count;
}

PART void next_stream(const Plan *plan, State *st) {
    int64_t best = NONE, tick = NEVER_TICK;
    for (int64_t w = 0; w < plan->workloads.size[0]; w++) {
        Stream *stream = &st->streams.at[w];
        while (stream->head == stream->count && !stream->finished) refill(plan, st, w);
        if (stream->head < stream->count) {
            int64_t at = st->chunk_tick.at[w * st->chunk_tick.size[1] + stream->head];
            if (at < tick) best = w, tick = at;
        }
    }
    st->scalars.at[NEXT_STREAM] = best;
    st->scalars.at[NEXT_TICK] = tick;
}

/* ---- heaps and winner trees ---- */

SMALL void push_at(int64_t *heap, int64_t i, int64_t value) {
    while (i > 0) {
        int64_t parent = (i - 1) >> 1;
        if (heap[parent] <= value) break;
        heap[i] = heap[parent];
        i = parent;
    }
    heap[i] = value;
}

SMALL void sift_down(int64_t *heap, int64_t count, int64_t i, int64_t value) {
    for (;;) {
        int64_t child = 2 * i + 1;
        if (child >= count) break;
        if (child + 1 < count && heap[child + 1] < heap[child]) child++;
        if (heap[child] >= value) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = value;
}

PART void push(int64_t *heap, int64_t count, int64_t value) { push_at(heap, count, value); }

PART int64_t pop(int64_t *heap, int64_t count) {
    int64_t smallest = heap[0];
    sift_down(heap, count - 1, 0, heap[count - 1]);
    return smallest;
}

static void remove_at(int64_t *heap, int64_t count, int64_t i) {
    int64_t last = heap[count - 1];
    if (i == count - 1) return;
    if (i > 0 && heap[(i - 1) >> 1] > last) push_at(heap, i, last);
    else sift_down(heap, count - 1, i, last);
}

SMALL int64_t first_of(const int64_t *tree, int64_t entries) { return tree[entries / 3 + 1]; }

SMALL void update(int64_t *tree, int64_t entries, int64_t i, int64_t key) {
    int64_t size = entries / 3, best = i, *winner = tree + size;
    tree[i] = key;
    for (int64_t node = size + i; node > 1; node >>= 1) {
        int64_t sibling = winner[node ^ 1], rival = tree[sibling];
        bool lost = rival < key + (node & 1);
        best = lost ? sibling : best;
        key = lost ? rival : key;
        winner[node >> 1] = best;
    }
}

SMALL int64_t key_at(const State *st, int64_t r) { return st->events.at[r]; }

PART int64_t next_replica(const State *st) { return first_of(st->events.at, st->events.size[0]); }

PART void schedule(State *st, int64_t r, int64_t key) { update(st->events.at, st->events.size[0], r, key); }

PART int64_t least_outstanding(const State *st, int64_t g) {
    return first_of(st->routes.at + g * st->routes.size[1], st->routes.size[1]);
}

PART void count_outstanding(const Plan *plan, State *st, int64_t r, int32_t change) {
    Replica *replica = &st->replicas.at[r];
    replica->outstanding += change;
    int64_t g = plan->pools.at[replica->pool].group, entries = st->routes.size[1];
    update(st->routes.at + g * entries, entries, r - plan->groups.at[g].first_replica, replica->outstanding);
}

/* ---- books ---- */

SMALL int64_t window_of(const Plan *plan, double time_s) {
    return (int64_t)floor((time_s - plan->window_origin_s) / plan->window_s);
}

SMALL double *window_row(State *st, int64_t pool, int64_t window) {
    return st->windows.at + (pool * st->windows.size[1] + window) * WINDOW_COLUMNS;
}

static __attribute__((noinline)) void spread_wide(const Plan *plan, State *st, int64_t pool, int64_t column,
                                                  double begin_s, double end_s, double amount) {
    int64_t first = window_of(plan, begin_s), last = window_of(plan, end_s);
    double per_s = amount / (end_s - begin_s), left = amount;
    for (int64_t w = first; w < last; w++) {
        double edge_s = plan->window_origin_s + (double)(w + 1) * plan->window_s;
        double part = per_s * (edge_s - begin_s);
        window_row(st, pool, w)[column] += part;
        left -= part;
        begin_s = edge_s;
    }
    window_row(st, pool, last)[column] += left;
}

PART void spread(const Plan *plan, State *st, int64_t pool, int64_t column, double begin_s, double end_s, double amount) {
    int64_t first = window_of(plan, begin_s);
    if (first == window_of(plan, end_s)) window_row(st, pool, first)[column] += amount;
    else spread_wide(plan, st, pool, column, begin_s, end_s, amount);
}

SMALL void add_latency(int64_t *histogram, double *sum, double value) {
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    int64_t i = (bits >> HISTOGRAM_SHIFT) - HISTOGRAM_OFFSET;
    histogram[min_i(max_i(i, 0), BUCKETS - 1)]++;
    *sum += value;
}

static __attribute__((noinline)) void log_call(State *st, int64_t r, const Call *call, double finish_s) {
    Log *row = &st->log.at[st->scalars.at[LOGGED]++];
    row->id = call->id;
    row->replica = (int32_t)r;
    row->input = call->input;
    row->output = call->output;
    row->arrive_s = call->arrive_s;
    row->admit_s = call->admit_s;
    row->first_s = call->first_s;
    row->finish_s = finish_s;
}

PART void book_latencies(const Plan *plan, State *st, int64_t pool, const Call *call, double finish_s) {
    int64_t w = workload_of(call->id);
    const Workload *workload = &plan->workloads.at[w];
    double outside_s = plan->pools.at[pool].first_token_s;
    double ttft_s = call->first_s - call->arrive_s + outside_s;
    double e2e_s = finish_s - call->arrive_s + outside_s;
    double queue_s = max_d(call->admit_s - call->arrive_s, 0.0);
    int64_t *counters = st->counters.at + w * WORKLOAD_COUNTERS;
    int64_t *histograms = st->histograms.at + w * LATENCIES * BUCKETS;
    double *sums = st->sums.at + w * LATENCIES;
    counters[COMPLETED]++;
    counters[INPUT] += call->input;
    counters[OUTPUT] += call->output;
    add_latency(histograms + TTFT * BUCKETS, sums + TTFT, ttft_s);
    add_latency(histograms + E2E * BUCKETS, sums + E2E, e2e_s);
    add_latency(histograms + QUEUE * BUCKETS, sums + QUEUE, queue_s);
    bool good_ttft = ttft_s <= workload->slo_ttft_s, good_tpot = true;
    if (call->output > 1) {
        double tpot_s = (finish_s - call->first_s) / (call->output - 1);
        add_latency(histograms + TPOT * BUCKETS, sums + TPOT, tpot_s);
        counters[WITH_TPOT]++;
        good_tpot = tpot_s <= workload->slo_tpot_s;
    }
    counters[GOOD_TTFT] += good_ttft;
    counters[GOOD_TPOT] += good_tpot;
    counters[GOOD] += good_ttft & good_tpot & (e2e_s <= workload->slo_e2e_s);
}

PART void book_segment(const Plan *plan, State *st, const Replica *replica) {
    st->scalars.at[SEGMENTS]++;
    int64_t p = replica->pool, rate = replica->rate, batch = replica->batch, prefill = replica->prefill;
    const Rate *costs = &plan->rates.at[rate];
    double context = batch > 0 ? replica->context : 0.0, attention = replica->attention;
    int64_t steps = replica->segment_steps, total = batch + prefill, width = plan->token_j.size[1], last = width - 1;
    double step_j = plan->token_j.at[rate * width + min_i(total, last)];
    step_j += (double)max_i(total - last, 0) * costs->token_j_beyond;
    step_j += costs->sequence_j * (double)batch + costs->attention_j * attention;
    double begin_s = replica->begin_s, end_s = replica->end_s, duration_s = end_s - begin_s, n = (double)steps;
    double read = n * context + (double)batch * (0.5 * n * (n - 1.0));
    double energy_j = costs->static_w * duration_s + n * step_j + costs->kv_j * read;
    int64_t first = window_of(plan, begin_s);
    if (first == window_of(plan, end_s)) {
        double *row = window_row(st, p, first);
        row[ENERGY_J] += energy_j;
        row[BUSY_S] += duration_s;
        row[BATCH_S] += duration_s * (double)batch;
        row[DECODED] += (double)(batch * steps);
        row[PREFILLED] += (double)prefill;
        row[STEPS] += n;
        row[PAIRS] += attention;
        row[READ_KV] += read;
    } else {
        spread_wide(plan, st, p, ENERGY_J, begin_s, end_s, energy_j);
        spread_wide(plan, st, p, BUSY_S, begin_s, end_s, duration_s);
        spread_wide(plan, st, p, BATCH_S, begin_s, end_s, duration_s * (double)batch);
        spread_wide(plan, st, p, DECODED, begin_s, end_s, (double)(batch * steps));
        spread_wide(plan, st, p, PREFILLED, begin_s, end_s, (double)prefill);
        spread_wide(plan, st, p, STEPS, begin_s, end_s, n);
        spread_wide(plan, st, p, PAIRS, begin_s, end_s, attention);
        spread_wide(plan, st, p, READ_KV, begin_s, end_s, read);
    }
}

/* ---- segments ---- */

PART double steps_s(double first_s, double slope_s, double host_s, int64_t steps) {
    int64_t held = 0;
    if (first_s < host_s) {
        if (slope_s <= 0.0) return (double)steps * host_s;
        held = steps;
        if (first_s + slope_s * (double)steps > host_s)
            held = min_i(max_i((int64_t)ceil((host_s - first_s) / slope_s), 0), steps);
    }
    int64_t rest = steps - held;
    return (double)held * host_s + (double)rest * (first_s + slope_s * 0.5 * (double)(steps + held - 1));
}

typedef struct { double slope_s, host_s; } Pace;

SMALL Pace pace_of(const Plan *plan, const Replica *replica) {
    int64_t rate = replica->rate, at = rate * plan->kv_s.size[1] + replica->batch;
    double host_s = plan->host_s.at[at] + plan->rates.at[rate].host_prefill_s * (double)replica->prefill;
    return (Pace){plan->kv_s.at[at] * (double)replica->batch, host_s};
}

PART int64_t steps_until(const Replica *s, Pace pace, int64_t tick) {
    double first_s = s->first_s, slope_s = pace.slope_s, host_s = pace.host_s;
    int64_t most = s->segment_steps;
    double elapsed = seconds_of(tick) - s->begin_s, guess = elapsed / max_d(first_s, host_s);
    if (slope_s > 0.0) {
        double held = max_d((host_s - first_s) / slope_s, 0.0);
        if (elapsed > held * host_s) {
            double b = first_s + slope_s * (held - 0.5), c = elapsed - held * host_s;
            guess = held + 2.0 * c / (b + sqrt(b * b + 2.0 * slope_s * c));
        }
    }
    int64_t steps = min_i(max_i((int64_t)guess, 1), most);
    while (steps < most && tick_of(s->begin_s + steps_s(first_s, slope_s, host_s, steps)) < tick) steps++;
    while (steps > 1 && tick_of(s->begin_s + steps_s(first_s, slope_s, host_s, steps - 1)) >= tick) steps--;
    return steps;
}

PART void cut(const Plan *plan, State *st, int64_t r, int64_t tick) {
    Replica *replica = &st->replicas.at[r];
    Pace pace = pace_of(plan, replica);
    int64_t steps = steps_until(replica, pace, tick);
    if (steps >= replica->segment_steps) return;
    replica->segment_steps = (int32_t)steps;
    replica->end_s = replica->begin_s + steps_s(replica->first_s, pace.slope_s, pace.host_s, steps);
    schedule(st, r, key_of(tick_of(replica->end_s), END));
}

PART void lay_segment(const Plan *plan, State *st, int64_t r, int64_t tokens, double attention, int64_t admitted) {
    Replica *replica = &st->replicas.at[r];
    int64_t rate = replica->next_rate, batch = replica->decoding;
    const Pool *pool = &plan->pools.at[replica->pool];
    const Rate *costs = &plan->rates.at[rate];
    double context = batch > 0 ? replica->context : 0.0;
    int64_t total = batch + tokens, width = plan->token_s.size[1], last = width - 1;
    int64_t by_batch = rate * plan->kv_s.size[1] + batch;
    double first_s = plan->token_s.at[rate * width + min_i(total, last)];
    first_s += (double)max_i(total - last, 0) * costs->token_s_beyond;
    first_s += plan->sequence_s.at[by_batch] + plan->kv_s.at[by_batch] * context + costs->attention_s * attention;
    int64_t steps = 1;
    if (tokens == 0) {
        steps = (st->finishing.at[r * st->finishing.size[1]] >> CALL_BITS) - replica->steps;
        if (!pool->reserve_full)
            steps = min_i(steps, (int64_t)((pool->kv_capacity - replica->kv) / (double)batch) + 1);
    }
    replica->rate = (int32_t)rate;
    replica->batch = (int32_t)batch;
    replica->prefill = (int32_t)tokens;
    replica->attention = attention;
    replica->segment_steps = (int32_t)steps;
    replica->begin_s = replica->end_s;
    replica->first_s = first_s;
    Pace pace = pace_of(plan, replica);
    double steps_end_s = replica->begin_s + steps_s(first_s, pace.slope_s, pace.host_s, steps);
    replica->end_s = steps_end_s + costs->admit_s * (double)admitted;
    schedule(st, r, key_of(tick_of(replica->end_s), END));
}

/* ---- one replica ---- */

SMALL double room_of(const Pool *pool, const Call *call) {
    if (pool->reserve_full) return (double)(call->input + call->output);
    return (double)(call->input + min_i(call->done + 1, call->output));
}

SMALL void end_prefill_with_step(State *st, Replica *replica, int32_t c) {
    st->calls.at[c].next = replica->ending;
    replica->ending = c;
}

SMALL int64_t go_on(State *st, Replica *replica, int64_t budget, double *attention) {
    int32_t c = replica->partial;
    const Call *call = &st->calls.at[c];
    int64_t need = call->input + call->done - replica->partial_done, take = min_i(need, budget);
    *attention += (double)take * (replica->partial_done + 0.5 * (double)take);
    replica->partial_done += (int32_t)take;
    if (take == need) {
        replica->partial = NONE;
        end_prefill_with_step(st, replica, c);
    }
    return take;
}

PART int64_t admit(const Plan *plan, State *st, Replica *replica, const Pool *pool, int64_t budget, int64_t *admitted,
                   double *attention) {
    int64_t tokens = 0;
    double time_s = replica->end_s, work = 0.0;
    while (replica->queued > 0 && replica->running < pool->max_batch && tokens < budget) {
        int32_t c = replica->queue_head;
        Call *call = &st->calls.at[c];
        int64_t need = call->input + call->done;
        double room = room_of(pool, call);
        if (replica->kv + room > (replica->running > 0 ? pool->kv_admit : pool->kv_capacity)) break;
        replica->queue_head = call->next;
        replica->queued--;
        replica->queued_tokens -= need;
        if (time_s > call->since_s)
            spread(plan, st, replica->pool, WAITING_S, call->since_s, time_s, time_s - call->since_s);
        if (call->admit_s < 0.0) call->admit_s = time_s;
        call->order = replica->admissions++;
        replica->running++;
        replica->kv += room;
        ++*admitted;
        int64_t take = min_i(need, budget - tokens);
        tokens += take;
        work += 0.5 * (double)take * (double)take;
        if (take == need) {
            end_prefill_with_step(st, replica, c);
        } else {
            replica->partial = c;
            replica->partial_done = (int32_t)take;
        }
    }
    *attention += work;
    return tokens;
}

static __attribute__((noinline)) void preempt(const Plan *plan, State *st, int64_t r, double time_s) {
    Replica *replica = &st->replicas.at[r];
    const Pool *pool = &plan->pools.at[replica->pool];
    Call *calls = st->calls.at, *call;
    int64_t lost;
    int32_t c = replica->partial;
    if (c != NONE) {
        call = &calls[c];
        lost = replica->partial_done;
        replica->kv -= room_of(pool, call);
        replica->partial = NONE;
    } else {
        int64_t *row = st->finishing.at + r * st->finishing.size[1], newest = 0;
        for (int64_t i = 1; i < replica->decoding; i++)
            if (calls[row[i] & CALL_MASK].order > calls[row[newest] & CALL_MASK].order) newest = i;
        c = (int32_t)(row[newest] & CALL_MASK);
        call = &calls[c];
        call->done = (int32_t)(call->output - ((row[newest] >> CALL_BITS) - replica->steps));
        remove_at(row, replica->decoding, newest);
        replica->decoding--;
        replica->context -= call->input + call->done;
        replica->kv -= call->input + call->done;
        lost = call->input + call->done - 1;
    }
    replica->running--;
    call->since_s = time_s;
    call->next = replica->queue_head;
    replica->queue_head = c;
    if (replica->queued == 0) replica->queue_tail = c;
    replica->queued++;
    replica->queued_tokens += call->input + call->done;
    double *row = window_row(st, replica->pool, window_of(plan, time_s));
    row[PREEMPTED] += 1;
    row[RECOMPUTED] += (double)lost;
}

PART void begin(const Plan *plan, State *st, int64_t r) {
    Replica *replica = &st->replicas.at[r];
    const Pool *pool = &plan->pools.at[replica->pool];
    bool preempted = replica->kv > pool->kv_capacity;
    while (replica->kv > pool->kv_capacity) preempt(plan, st, r, replica->end_s);
    int64_t tokens = 0, admitted = 0, budget = pool->token_budget - replica->decoding;
    double attention = 0.0;
    bool open = replica->queued > 0 && !preempted;
    if (replica->partial != NONE) tokens = go_on(st, replica, budget, &attention);
    if (open && budget > tokens) tokens += admit(plan, st, replica, pool, budget - tokens, &admitted, &attention);
    if (replica->decoding == 0 && tokens == 0) schedule(st, r, NEVER);
    else lay_segment(plan, st, r, tokens, attention, admitted);
}

PART int64_t end_prefills(State *st, int64_t r, int64_t ended) {
    Replica *replica = &st->replicas.at[r];
    int64_t *row = st->finishing.at + r * st->finishing.size[1];
    int32_t c = replica->ending;
    replica->ending = NONE;
    while (c != NONE) {
        Call *call = &st->calls.at[c];
        int32_t following = call->next;
        if (call->first_s < 0.0) call->first_s = replica->end_s;
        call->done = (int32_t)min_i(call->done + 1, call->output);
        int64_t left = call->output - call->done;
        if (left == 0) {
            st->ended.at[ended++] = c;
        } else {
            push(row, replica->decoding, ((replica->steps + left) << CALL_BITS) | c);
            replica->decoding++;
            replica->context += call->input + call->done;
        }
        c = following;
    }
    return ended;
}

SMALL void sort_by_id(State *st, int64_t count) {
    int32_t *ended = st->ended.at;
    for (int64_t i = 1; i < count; i++) {
        int32_t c = ended[i];
        int64_t key = st->calls.at[c].id, j = i;
        for (; j > 0 && st->calls.at[ended[j - 1]].id > key; j--) ended[j] = ended[j - 1];
        ended[j] = c;
    }
}

SMALL void free_call(State *st, int32_t c) {
    st->calls.at[c].next = (int32_t)st->scalars.at[FREE_HEAD];
    st->scalars.at[FREE_HEAD] = c;
}

SMALL void complete(const Plan *plan, State *st, int64_t r, int32_t c) {
    Replica *replica = &st->replicas.at[r];
    const Call *call = &st->calls.at[c];
    double finish_s = replica->end_s;
    replica->running--;
    replica->kv -= call->input + call->output;
    count_outstanding(plan, st, r, -1);
    spread(plan, st, replica->pool, SYSTEM_S, call->arrive_s, finish_s, finish_s - call->arrive_s);
    if (call->measured) {
        book_latencies(plan, st, replica->pool, call, finish_s);
        if (st->scalars.at[LOGGED] < st->log.size[0]) log_call(st, r, call, finish_s);
    }
    free_call(st, c);
}

PART void end(const Plan *plan, State *st, int64_t r) {
    Replica *replica = &st->replicas.at[r];
    const Pool *pool = &plan->pools.at[replica->pool];
    int64_t steps = replica->segment_steps, ended = 0;
    int64_t *row = st->finishing.at + r * st->finishing.size[1];
    __builtin_prefetch(&st->calls.at[row[0] & CALL_MASK]);
    book_segment(plan, st, replica);
    if (replica->batch > 0) replica->steps += steps;
    double emitted = (double)(replica->batch * steps);
    replica->context += emitted;
    if (!pool->reserve_full) replica->kv += emitted;
    while (replica->decoding > 0 && (row[0] >> CALL_BITS) <= replica->steps) {
        int32_t c = (int32_t)(pop(row, replica->decoding) & CALL_MASK);
        replica->decoding--;
        replica->context -= st->calls.at[c].input + st->calls.at[c].output;
        st->ended.at[ended++] = c;
    }
    ended = end_prefills(st, r, ended);
    if (replica->decoding == 0) replica->context = 0.0;
    if (ended > 1) sort_by_id(st, ended);
    for (int64_t i = 0; i < ended; i++) complete(plan, st, r, st->ended.at[i]);
    bool more = replica->running > 0 || replica->queued > 0;
    schedule(st, r, more ? key_of(tick_of(replica->end_s), BEGIN) : NEVER);
}

SMALL void enqueue(const Plan *plan, State *st, int64_t r, int32_t c, int64_t tick) {
    Replica *replica = &st->replicas.at[r];
    Call *call = &st->calls.at[c];
    call->next = NONE;
    if (replica->queued == 0) replica->queue_head = c;
    else st->calls.at[replica->queue_tail].next = c;
    replica->queue_tail = c;
    replica->queued++;
    replica->queued_tokens += call->input;
    count_outstanding(plan, st, r, 1);
    int64_t key = key_at(st, r);
    if (key == NEVER) {
        replica->end_s = seconds_of(tick);
        schedule(st, r, key_of(tick, BEGIN));
    } else if (replica->queued == 1 && replica->segment_steps > 1 && (key & 3) == END) {
        if (replica->running < plan->pools.at[replica->pool].max_batch) cut(plan, st, r, tick);
    }
}

/* ---- the loop ---- */

PART void arrive(const Plan *plan, State *st, int64_t tick) {
    int64_t w = st->scalars.at[NEXT_STREAM];
    Stream *stream = &st->streams.at[w];
    int64_t i = w * st->chunk_tick.size[1] + stream->head;
    int32_t c = (int32_t)st->scalars.at[FREE_HEAD];
    Call *call = &st->calls.at[c];
    st->scalars.at[FREE_HEAD] = call->next;
    call->id = name_of(w, st->chunk_number.at[i]);
    call->input = st->chunk_input.at[i];
    call->output = st->chunk_output.at[i];
    stream->head++;
    next_stream(plan, st);
    call->arrive_s = seconds_of(tick);
    call->since_s = call->arrive_s;
    call->admit_s = -1.0;
    call->first_s = -1.0;
    call->done = 0;
    call->measured = tick >= plan->warmup_tick;
    int64_t *counters = st->counters.at + w * WORKLOAD_COUNTERS;
    counters[ARRIVED] += call->measured;
    int64_t g = plan->chains.at[plan->workloads.at[w].chain];
    st->turns.at[g]++;
    int64_t r = plan->groups.at[g].first_replica + least_outstanding(st, g);
    const Replica *replica = &st->replicas.at[r];
    const Pool *pool = &plan->pools.at[replica->pool];
    if (replica->queued >= pool->queue_limit || call->input + call->output > pool->kv_capacity) {
        counters[REJECTED] += call->measured;
        free_call(st, c);
    } else {
        enqueue(plan, st, r, c, tick);
    }
}

/* Process every event before `until_tick`. Returns REACHED, or what the state must first be given more of. */
int64_t floor_advance(const Plan *plan, State *st, int64_t until_tick) {
    int64_t until = key_of(until_tick, END), windows = st->windows.size[1];
    for (;;) {
        int64_t r = next_replica(st), event = key_at(st, r);
        int64_t arrival_tick = st->scalars.at[NEXT_TICK], arrival = key_of(arrival_tick, ARRIVE);
        if (min_i(event, arrival) >= until) return REACHED;
        if (event < arrival) {
            if ((event & 3) == END) {
                if (window_of(plan, st->replicas.at[r].end_s) >= windows) return NEED_WINDOWS;
                end(plan, st, r);
            } else {
                begin(plan, st, r);
            }
        } else {
            if (st->scalars.at[FREE_HEAD] == NONE) return NEED_CALLS;
            if (window_of(plan, seconds_of(arrival_tick)) >= windows) return NEED_WINDOWS;
            arrive(plan, st, arrival_tick);
        }
    }
}
