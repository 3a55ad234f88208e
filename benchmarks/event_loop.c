/* The same work in C: a heap of events, ring buffers as queues, rows kept in arrays.

   Poisson arrivals to endpoints with `workers` workers each, exponential service of mean 1 s, first
   come first served.  Returns the seconds of processor time, or -1 when memory is short. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

enum { RANDOM, ROUND_ROBIN, LEAST_OF_TWO, LEAST_OF_ALL, RING_HASH };

typedef struct { double time; int64_t row; int endpoint; } Event; /* endpoint -1: an arrival */
typedef struct { int64_t *rows; int64_t head, length, room; int busy, outstanding; } Endpoint;
typedef struct { uint64_t hash; int endpoint; } Point;

static uint64_t state; /* of splitmix64 (Steele, Lea and Flood 2014) */

static uint64_t mixed(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}
static double uniform(void) { return (mixed(state += 0x9e3779b97f4a7c15u) >> 11) * 0x1p-53; }
static double exponential(double mean) { return -mean * log(1.0 - uniform()); }
static int below(int n) { return (int)(uniform() * n); }

static Event *heap;
static int events;

static void push(Event event) {
    int at = events++;
    for (; at > 0 && event.time < heap[(at - 1) / 2].time; at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = event;
}
static Event pop(void) {
    Event first = heap[0], last = heap[--events];
    int at = 0, child;
    while ((child = 2 * at + 1) < events) {
        if (child + 1 < events && heap[child + 1].time < heap[child].time) child++;
        if (last.time <= heap[child].time) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return first;
}

static int by_hash(const void *a, const void *b) {
    uint64_t x = ((const Point *)a)->hash, y = ((const Point *)b)->hash;
    return (x > y) - (x < y);
}

double simulate(int policy, int64_t requests, int n, int workers, double load, uint64_t seed,
                int points, int64_t keys, double *arrival, double *start, double *finish,
                int32_t *chosen) {
    clock_t before = clock();
    int around = n * points, turn = 0;
    double gap = 1.0 / (load * n * workers);
    Endpoint *endpoints = calloc(n, sizeof *endpoints);
    Point *ring = malloc((around + 1) * sizeof *ring);
    heap = malloc((n * (size_t)workers + 2) * sizeof *heap);
    if (!endpoints || !ring || !heap) return -1.0;
    for (int i = 0; i < around; i++)
        ring[i] = (Point){mixed(~(uint64_t)i * 0x9e3779b97f4a7c15u), i / points};
    qsort(ring, around, sizeof *ring, by_hash);
    state = mixed(seed);
    events = 0;
    push((Event){exponential(gap), 0, -1});
    while (events) {
        Event event = pop();
        double now = event.time;
        Endpoint *e;
        int64_t row = event.row;
        int k = event.endpoint;
        if (k < 0) { /* an arrival: pick, then queue or begin */
            if (row + 1 < requests) push((Event){now + exponential(gap), row + 1, -1});
            k = 0;
            if (policy == RANDOM) {
                k = below(n);
            } else if (policy == ROUND_ROBIN) {
                k = turn;
                turn = turn + 1 < n ? turn + 1 : 0;
            } else if (policy == LEAST_OF_TWO) {
                int other;
                k = below(n), other = below(n);
                if (endpoints[other].outstanding < endpoints[k].outstanding) k = other;
            } else if (policy == LEAST_OF_ALL) {
                int ties = 1; /* any of the least, by reservoir sampling */
                for (int i = 1; i < n; i++) {
                    if (endpoints[i].outstanding > endpoints[k].outstanding) continue;
                    ties = endpoints[i].outstanding < endpoints[k].outstanding ? 1 : ties + 1;
                    if (ties == 1 || below(ties) == 0) k = i;
                }
            } else { /* RING_HASH */
                uint64_t hash = mixed((uint64_t)(uniform() * keys) + 1);
                int low = 0, high = around;
                while (low < high) {
                    int middle = (low + high) / 2;
                    if (ring[middle].hash < hash) low = middle + 1; else high = middle;
                }
                k = ring[low < around ? low : 0].endpoint;
            }
            e = &endpoints[k];
            arrival[row] = now;
            chosen[row] = k;
            e->outstanding++;
            if (e->busy == workers) {
                if (e->length == e->room) { /* twice the room, unrolled into order */
                    int64_t *rows = malloc((e->room ? 2 * e->room : 8) * sizeof *rows);
                    if (!rows) return -1.0;
                    for (int64_t i = 0; i < e->length; i++)
                        rows[i] = e->rows[(e->head + i) & (e->room - 1)];
                    free(e->rows);
                    e->rows = rows, e->head = 0, e->room = e->room ? 2 * e->room : 8;
                }
                e->rows[(e->head + e->length++) & (e->room - 1)] = row;
                continue;
            }
            e->busy++;
        } else { /* an end: the next in line begins */
            e = &endpoints[k];
            finish[row] = now;
            e->outstanding--;
            if (!e->length) { e->busy--; continue; }
            row = e->rows[e->head++ & (e->room - 1)];
            e->length--;
        }
        start[row] = now;
        push((Event){now + exponential(1.0), row, k});
    }
    for (int i = 0; i < n; i++) free(endpoints[i].rows);
    free(endpoints), free(ring), free(heap);
    return (double)(clock() - before) / CLOCKS_PER_SEC;
}
