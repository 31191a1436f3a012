/* The linear layers of a simulation alone, with nothing between them: what no search over these kernels can undercut.
 *
 * The engine's own sources are part of this library, so that layers are packed, cut into tiles and shared by threads
 * as the engine does it.
 */

#include "engine.c"

typedef struct {
    Job job; /* says how many rows and threads there are, and nothing else */
    int64_t num_simulations, stride;
    void *in, *out; /* every product reads the same rows and overwrites the same rows */
} Alone;

static void product_alone(const Pass *pass, const Linear *layer, const Alone *alone) {
    product(pass, layer, alone->in, 0, alone->stride, alone->out, alone->stride, STORE);
}

static void pass_alone(const Alone *alone, int is_shared, int64_t first_row, int64_t num_rows) {
    Engine *engine = alone->job.search->engine;
    Pass pass = {&alone->job, engine, is_shared, first_row, num_rows, 0, 0};
    for (pass.which = 0; pass.which < 2; pass.which++) {
        const Head *head = pass.which ? &engine->latent_head : &engine->action_head;
        for (int64_t i = 0; i < engine->sizes.layers; i++) {
            product_alone(&pass, &engine->layers[i].project, alone);
            product_alone(&pass, &engine->layers[i].merge, alone);
            product_alone(&pass, &engine->layers[i].widen, alone);
            product_alone(&pass, &engine->layers[i].narrow, alone);
        }
        product_alone(&pass, &head->hidden, alone);
        product_alone(&pass, &head->first, alone);
        product_alone(&pass, &head->second, alone);
    }
}

/* A tile goes through all simulations before the next one: with small weights no thread waits for another. */
static void multiply_small_tiles(const void *context, const void *what, int64_t begin, int64_t end) {
    const Alone *alone = context;
    const int64_t tiles = *(const int64_t *)what;
    for (int64_t tile = begin; tile < end; tile++) {
        int64_t first = alone->job.num_rows * tile / tiles, last = alone->job.num_rows * (tile + 1) / tiles;
        for (int64_t i = 0; i < alone->num_simulations; i++) pass_alone(alone, 0, first, last - first);
    }
}

static void multiply_large_tiles(const Alone *alone, int is_shared) {
    int64_t rows = alone->job.num_rows, tiles = (rows + LARGE_TILE - 1) / LARGE_TILE;
    for (int64_t i = 0; i < alone->num_simulations; i++)
        for (int64_t tile = 0; tile < tiles; tile++) {
            int64_t first = rows * tile / tiles, last = rows * (tile + 1) / tiles;
            pass_alone(alone, is_shared, first, last - first);
        }
}

/* Share the work as `run` does, with the same tiles and barriers: the floor is of this way to compute, on this
 * machine. */
static void multiply_alone(const Alone *alone) {
    int is_small = alone->job.search->engine->weight_bytes <= SMALL_BYTES;
    int64_t rows = alone->job.num_rows, threads = alone->job.search->num_threads;
    if (is_small && threads > (rows + 1) / 2) threads = (rows + 1) / 2;
    int is_shared = gather(threads);
    int64_t tiles = (rows + SMALL_TILE - 1) / SMALL_TILE;
    if (is_shared && tiles < threads) tiles = threads;
    if (!is_small) multiply_large_tiles(alone, is_shared);
    else if (is_shared) do_together(multiply_small_tiles, alone, &tiles, tiles, 1);
    else multiply_small_tiles(alone, &tiles, 0, tiles);
    if (is_shared) dismiss();
}

/* Compute the layers of so many simulations of `num_rows` trees; return 0 where memory is short. */
int64_t kvzero_multiply(Engine *engine, int64_t num_rows, int64_t num_simulations, int64_t num_threads) {
    int64_t widest = engine->wide_stride;
    if (widest < engine->hidden_stride) widest = engine->hidden_stride;
    if (widest < engine->bins_stride) widest = engine->bins_stride;
    if (widest < engine->second_stride) widest = engine->second_stride;
    int64_t bytes = num_rows * widest * 4;
    Search search = {.engine = engine, .num_threads = num_threads};
    Alone alone = {{.search = &search, .num_rows = num_rows}, num_simulations, widest, reserve(bytes), reserve(bytes)};
    int is_done = alone.in && alone.out;
    if (is_done) {
        uint32_t *in = alone.in;
        for (int64_t i = 0; i < bytes / 4; i++) in[i] = 0x3f803f80; /* about 1, as a float and as two bfloat16 */
        multiply_alone(&alone);
    }
    free(alone.in);
    free(alone.out);
    return is_done;
}

/* Draw numbers from 0.5 to 1 and from -1 to -0.5, as floats and as pairs of bfloat16: a processor multiplies numbers that
 * are all alike at a higher clock. */
static void fill(Linear *layer, int is_bf16) {
    uint32_t *weights = layer->panels, drawn = 1;
    int64_t words = layer->num_panels * COLUMNS * layer->k / (is_bf16 ? 2 : 1);
    for (int64_t i = 0; i < words; i++) {
        drawn ^= drawn << 13;
        drawn ^= drawn >> 17;
        drawn ^= drawn << 5;
        weights[i] = (drawn & 0x807f807f) | 0x3f003f00;
    }
}

static void fill_head(Head *head, int is_bf16) {
    fill(&head->hidden, is_bf16);
    fill(&head->first, is_bf16);
    fill(&head->second, is_bf16);
}

/* Return layers of weights that mean nothing, to be freed by `kvzero_free`; NULL where memory is short. */
Engine *kvzero_make_layers(int64_t embed, int64_t layers, int64_t actions, int64_t bins, int64_t hidden, int64_t is_bf16) {
    Sizes sizes = {.embed = embed, .layers = layers, .heads = 1, .context = 1, .actions = actions, .bins = bins,
                   .hidden = hidden, .is_bf16 = is_bf16, .max_rows = 1};
    Engine *engine = kvzero_make(&sizes);
    for (int64_t i = 0; engine && i < layers; i++) {
        Layer *layer = &engine->layers[i];
        fill(&layer->project, (int)is_bf16);
        fill(&layer->merge, (int)is_bf16);
        fill(&layer->widen, (int)is_bf16);
        fill(&layer->narrow, (int)is_bf16);
    }
    if (engine) {
        fill_head(&engine->action_head, (int)is_bf16);
        fill_head(&engine->latent_head, (int)is_bf16);
    }
    return engine;
}
