/* Linear layers over packed weights: panels of 16 columns, so that a product reads its weights once and in order. */

#ifndef KVZERO_LINEAR_H
#define KVZERO_LINEAR_H

#include "vector.h"

#define COLUMNS 16
#define VECTORS (COLUMNS / WIDTH) /* vectors across a panel */

#if WIDTH == 16
#define MAX_ROWS 9 /* times three panels: as many sums as registers hold beside the weights */
#else
#define MAX_ROWS 6
#endif

/* In float32: [panel, k, 16]. In bfloat16: [panel, k / 2, 16, 2]. Columns beyond `n` are zero. */
typedef struct {
    void *panels;
    float *bias;
    int64_t n, k, num_panels;
} Linear;

typedef enum { STORE, ADD, GELU } Epilogue;

/* One product: rows of `in` times a layer, into rows of `out`. `in` holds floats, or bfloat16 numbers for the machine's
 * product of those; `out` holds floats, but for GELU, which writes what the next product reads. */
typedef struct {
    const Linear *layer;
    const void *in;
    void *out;
    int64_t in_stride, out_stride, num_rows;
    Epilogue epilogue;
    int is_bf16; /* weights are */
} Product;

INLINE int is_bf16_in(int is_bf16) { return is_bf16 && HAS_BFLOAT16_DOT; }

#define UNROLL _Pragma("GCC unroll 16")

/* out[r, c] = epilogue(bias[c] + sum_k in[r, k] weights[c, k]) for `rows` rows and `panels` panels of 16 columns.
 *
 * k is the outermost loop, so that the sums of all these rows and columns stay in registers over all of it, while the
 * weights stream by once. Each sum takes its terms in the order of k, whatever `rows` and `panels` are: that is why a
 * row's result does not depend on the rows beside it. `rows`, `panels` and `is_bf16` are constants where this is
 * inlined; else `sums` could not live in registers.
 *
 * Of bfloat16 weights two values of k lie side by side in 32 bits. With the machine's own product of pairs the row is
 * bfloat16 as well; without, a shift makes a float of the first and a mask one of the second, and the row is floats. */
INLINE void tile(const Product *product, int is_bf16, int rows, int panels, int64_t row, int64_t panel) {
    const Linear *layer = product->layer;
    const int64_t k_end = layer->k, stride = product->in_stride;
    vec sums[MAX_ROWS][4 * VECTORS];
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < panels * VECTORS; v++)
            sums[r][v] = load(layer->bias + panel * COLUMNS + v * WIDTH);
    if (!is_bf16) {
        const float *in = (const float *)product->in + row * stride;
        const float *weights = (const float *)layer->panels + panel * k_end * COLUMNS;
        for (int64_t k = 0; k < k_end; k++) {
            vec w[4 * VECTORS];
            UNROLL for (int v = 0; v < panels * VECTORS; v++) {
                const float *from = weights + (v / VECTORS * k_end + k) * COLUMNS + v % VECTORS * WIDTH;
                __builtin_prefetch(from + 64 * COLUMNS); /* 64 values of k ahead in this panel */
                w[v] = load(from);
            }
            UNROLL for (int r = 0; r < rows; r++) {
                vec x = splat(in[r * stride + k]);
                UNROLL for (int v = 0; v < panels * VECTORS; v++) sums[r][v] += x * w[v];
            }
        }
    } else {
        const uint32_t *weights = (const uint32_t *)layer->panels + panel * (k_end / 2) * COLUMNS;
        for (int64_t k = 0; k < k_end / 2; k++) {
            uvec w[4 * VECTORS];
            UNROLL for (int v = 0; v < panels * VECTORS; v++) {
                const uint32_t *from = weights + (v / VECTORS * (k_end / 2) + k) * COLUMNS + v % VECTORS * WIDTH;
                __builtin_prefetch(from + 64 * COLUMNS);
                w[v] = (uvec)load((const float *)from);
            }
#if HAS_BFLOAT16_DOT
            const bf16 *in = (const bf16 *)product->in + row * stride + 2 * k;
            UNROLL for (int r = 0; r < rows; r++) {
                int32_t pair;
                memcpy(&pair, in + r * stride, 4);
                UNROLL for (int v = 0; v < panels * VECTORS; v++)
                    sums[r][v] = (vec)_mm512_dpbf16_ps(
                        (__m512)sums[r][v], (__m512bh)_mm512_set1_epi32(pair), (__m512bh)w[v]);
            }
#else
            const float *in = (const float *)product->in + row * stride + 2 * k;
            UNROLL for (int r = 0; r < rows; r++) {
                vec even = splat(in[r * stride]), odd = splat(in[r * stride + 1]);
                UNROLL for (int v = 0; v < panels * VECTORS; v++)
                    sums[r][v] += even * (vec)(w[v] << 16) + odd * (vec)(w[v] & 0xffff0000u);
            }
#endif
        }
    }
    UNROLL for (int r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < panels * VECTORS; v++) {
            int64_t place = (row + r) * product->out_stride + panel * COLUMNS + v * WIDTH;
            vec x = sums[r][v];
            if (product->epilogue == GELU && is_bf16_in(is_bf16)) store_bf16((bf16 *)product->out + place, gelu(x));
            else if (product->epilogue == GELU) store((float *)product->out + place, gelu(x));
            else if (product->epilogue == ADD) store((float *)product->out + place, load((float *)product->out + place) + x);
            else store((float *)product->out + place, x);
        }
}

/* Panels side by side for so many rows: as many sums as registers hold. A number that is read from a row then serves
 * several panels, and all rows pass through the near caches once for these panels, not once for each. */
INLINE int panels_at_once(int64_t rows) {
#if WIDTH == 16
    return rows <= 6 ? 4 : 3;
#else
    return rows <= 1 ? 4 : rows <= 3 ? 2 : 1;
#endif
}

/* A function for each number of rows: `tile` over some panels, as many at once as registers allow, then one fewer at a
 * time, so that what is left over is seldom a single panel, which would use a fraction of the registers. */
#define TILE(rows)                                                                                                    \
    static __attribute__((noinline)) void tile_##rows(                                                               \
        const Product *product, int is_bf16, int64_t row, int64_t panel, int64_t num_panels) {                       \
        const int most = panels_at_once(rows), fewer = most > 2 ? most - 1 : 1;                                       \
        while (num_panels > 0) {                                                                                      \
            int step = num_panels >= most ? most : num_panels >= fewer ? fewer : 1;                                   \
            if (step == most && is_bf16) tile(product, 1, rows, most, row, panel);                                    \
            else if (step == most) tile(product, 0, rows, most, row, panel);                                          \
            else if (step == fewer && is_bf16) tile(product, 1, rows, fewer, row, panel);                             \
            else if (step == fewer) tile(product, 0, rows, fewer, row, panel);                                        \
            else if (is_bf16) tile(product, 1, rows, 1, row, panel);                                                  \
            else tile(product, 0, rows, 1, row, panel);                                                               \
            panel += step;                                                                                            \
            num_panels -= step;                                                                                       \
        }                                                                                                             \
    }

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
#if MAX_ROWS == 9
TILE(7)
TILE(8)
TILE(9)
#endif

typedef void (*Tile)(const Product *, int, int64_t, int64_t, int64_t);

static const Tile tiles[] = {
    tile_1, tile_2, tile_3, tile_4, tile_5, tile_6,
#if MAX_ROWS == 9
    tile_7, tile_8, tile_9,
#endif
};

/* Blocks that so many rows are cut into, as even as can be. */
INLINE int64_t blocks_of(int64_t num_rows) { return (num_rows + MAX_ROWS - 1) / MAX_ROWS; }

/* Panels side by side for the largest of these blocks. */
INLINE int64_t panel_step(int64_t num_rows) {
    int64_t blocks = blocks_of(num_rows);
    return panels_at_once((num_rows + blocks - 1) / blocks);
}

/* Compute some panels of a product, for all of its rows: a panel that was read stays near for the next rows. With one
 * block of rows no panel is read twice, and the block takes all of them in one call. */
static void multiply(const Product *product, int64_t panel, int64_t end) {
    int64_t blocks = blocks_of(product->num_rows);
    int64_t step = blocks == 1 ? end - panel : panel_step(product->num_rows);
    for (; panel < end; panel += step) {
        if (step > end - panel) step = end - panel;
        for (int64_t block = 0; block < blocks; block++) {
            int64_t row = product->num_rows * block / blocks, last = product->num_rows * (block + 1) / blocks;
            tiles[last - row - 1](product, product->is_bf16, row, panel, step);
        }
    }
}

/* Pack `weights`, [n, k] as PyTorch keeps them: the 16 weights that meet one number of a row come to lie together, and
 * what a panel needs next lies next. */
static void pack(Linear *layer, const float *weights, const float *bias, int is_bf16) {
    const int64_t k_end = layer->k;
    for (int64_t column = 0; column < layer->num_panels * COLUMNS; column++) {
        int is_real = column < layer->n;
        layer->bias[column] = is_real ? bias[column] : 0.0f;
        int64_t start = column / COLUMNS * COLUMNS * k_end;
        const float *from = weights + column * k_end;
        if (is_bf16) {
            bf16 *to = (bf16 *)layer->panels + start + column % COLUMNS * 2;
            for (int64_t k = 0; k < k_end; k++) to[k / 2 * 2 * COLUMNS + k % 2] = is_real ? to_bf16(from[k]) : 0;
        } else {
            float *to = (float *)layer->panels + start + column % COLUMNS;
            for (int64_t k = 0; k < k_end; k++) to[k * COLUMNS] = is_real ? from[k] : 0.0f;
        }
    }
}

#endif
