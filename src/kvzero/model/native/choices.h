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

/* 1 - 2 / (1 + exp(2x)) for numbers that are not large. */
INLINE vec squashed(vec x) { return 1.0f - 2.0f / (1.0f + exponential(2.0f * x)); }

static void squash(float *x, int64_t n) {
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) store(x + i, squashed(load(x + i)));
    if (i == n) return;
    float rest[WIDTH] = {0};
    memcpy(rest, x + i, (size_t)(n - i) * 4);
    store(rest, squashed(load(rest)));
    memcpy(x + i, rest, (size_t)(n - i) * 4);
}

/* Draw the actions of a node from the policy there. */
static void draw(const Choices *choices, int64_t row, int64_t node, const float *policy, int64_t dim) {
    const float *bounds = choices->bounds, limit = bounds[MEAN_LIMIT], largest = bounds[LARGEST];
    const float *noise = choices->noise + node * choices->num_choices * dim;
    float *set = set_of(choices, row, node, dim);
    for (int64_t d = 0; d < dim; d++) {
        float mean = limit * tanhf(policy[d] / limit);
        float share = 1.0f / (1.0f + expf(-policy[dim + d] - bounds[FIRST_RAW_SCALE]));
        float scale = expf(bounds[LOW_LOG_SCALE] + (bounds[HIGH_LOG_SCALE] - bounds[LOW_LOG_SCALE]) * share);
        for (int64_t i = d; i < choices->num_choices * dim; i += dim) {
            float number = mean + scale * noise[i];
            number = number < -largest ? -largest : number;
            set[i] = number > largest ? largest : number;
        }
    }
    squash(set, choices->num_choices * dim);
}

#endif
