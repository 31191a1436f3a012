/* Continuous actions: some are drawn at every node from a squashed Gaussian, and the one that is taken becomes a token.
 *
 * What the numbers of the policy head mean is said in gaussian.py, which also hands over the bounds.
 */

#ifndef KVZERO_CHOICES_H
#define KVZERO_CHOICES_H

#include "vector.h"

enum { MEAN_LIMIT, LOW_LOG_SCALE, HIGH_LOG_SCALE, FIRST_RAW_SCALE, LARGEST };

/* What one search may choose from; Python fills it in. */
typedef struct {
    const float *noise;   /* [node, choice, dim]: standard normal numbers, for all rows */
    float *sets;          /* [row, node, choice, dim]: the actions drawn */
    const float *bounds;  /* in the order of the enumeration above */
    float *policies;      /* [row, 2 * dim]: where to put what the policy head says, or NULL */
    int64_t num_nodes, num_choices;
} Choices;

static float *set_of(const Choices *choices, int64_t row, int64_t node, int64_t dim) {
    return choices->sets + (row * choices->num_nodes + node) * choices->num_choices * dim;
}

/* tanh(x) = 1 - 2 / (1 + exp(2x)) for numbers that are not large. */
INLINE vec squashed(vec x) { return 1.0f - 2.0f / (1.0f + exponential(2.0f * x)); }

/* Read means and scales from what the policy head says, for `WIDTH` choices behind each other: an action seldom fills
 * whole vectors, but so many actions always do.
 *
 *     mean = limit tanh(raw / limit),  log scale = low + (high - low) sigmoid(raw + first)
 */
static void read_policy(const Choices *choices, const float *policy, int64_t dim, float *means, float *scales) {
    const float *bounds = choices->bounds, limit = bounds[MEAN_LIMIT], low = bounds[LOW_LOG_SCALE];
    for (int64_t d = 0; d < dim; d += WIDTH) {
        float raw[2][WIDTH] = {{0}}, read[2][WIDTH];
        int64_t n = dim - d < WIDTH ? dim - d : WIDTH;
        memcpy(raw[0], policy + d, (size_t)n * 4);
        memcpy(raw[1], policy + dim + d, (size_t)n * 4);
        vec share = 1.0f / (1.0f + exponential(-load(raw[1]) - bounds[FIRST_RAW_SCALE]));
        store(read[0], limit * squashed(load(raw[0]) / limit));
        store(read[1], exponential(low + (bounds[HIGH_LOG_SCALE] - low) * share));
        memcpy(means + d, read[0], (size_t)n * 4);
        memcpy(scales + d, read[1], (size_t)n * 4);
    }
    for (int64_t i = 1; i < WIDTH; i++) {
        memcpy(means + i * dim, means, (size_t)dim * 4);
        memcpy(scales + i * dim, scales, (size_t)dim * 4);
    }
}

/* Draw the actions of a node from the policy there: a = tanh(mean + scale noise), clipped before the tanh. The set is
 * one row of numbers, [choice, dim], taken a vector at a time wherever actions begin in it; means and scales repeat
 * after `WIDTH * dim` numbers, which is a whole number of vectors and of actions. */
static void draw(const Choices *choices, int64_t row, int64_t node, const float *policy, int64_t dim) {
    const int64_t n = choices->num_choices * dim;
    const float *noise = choices->noise + node * n;
    const vec largest = splat(choices->bounds[LARGEST]);
    float means[WIDTH * dim], scales[WIDTH * dim], *set = set_of(choices, row, node, dim);
    read_policy(choices, policy, dim, means, scales);
    for (int64_t i = 0, place = 0; i < n; i += WIDTH, place = place + WIDTH < WIDTH * dim ? place + WIDTH : 0) {
        float rest[WIDTH] = {0};
        int is_whole = i + WIDTH <= n;
        if (!is_whole) memcpy(rest, noise + i, (size_t)(n - i) * 4);
        vec number = load(means + place) + load(scales + place) * load(is_whole ? noise + i : rest);
        number = squashed(at_most(largest, at_least(-largest, number)));
        if (is_whole) store(set + i, number);
        else {
            store(rest, number);
            memcpy(set + i, rest, (size_t)(n - i) * 4);
        }
    }
}

#endif
