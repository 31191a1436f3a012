/* The linear layers of a simulation alone, with nothing between them: what no search over these kernels can undercut. */

#ifndef KVZERO_FLOOR_H
#define KVZERO_FLOOR_H

typedef struct {
    Engine *engine;
    int64_t num_rows, num_simulations, stride;
    void *in, *out; /* every product reads the same rows and overwrites the same rows */
} Alone;

static void product_alone(const Pass *pass, const Linear *layer, const Alone *alone) {
    product(pass, layer, alone->in, 0, alone->stride, alone->out, alone->stride, STORE);
}

static void pass_alone(const Alone *alone, Team *team, int64_t first_row, int64_t num_rows) {
    Engine *engine = alone->engine;
    Pass pass = {NULL, engine, team, first_row, num_rows, 0, 0};
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

static void multiply_shared_rows(void *argument, Team *team, int member) {
    const Alone *alone = argument;
    int64_t first = alone->num_rows * member / team->size, end = alone->num_rows * (member + 1) / team->size;
    for (int64_t i = 0; i < alone->num_simulations; i++)
        for (int64_t row = first; row < end; row += SMALL_TILE)
            pass_alone(alone, NULL, row, end - row < SMALL_TILE ? end - row : SMALL_TILE);
}

static void multiply_shared_panels(void *argument, Team *team, int member) {
    const Alone *alone = argument;
    int64_t tiles = (alone->num_rows + LARGE_TILE - 1) / LARGE_TILE;
    (void)member;
    for (int64_t i = 0; i < alone->num_simulations; i++)
        for (int64_t tile = 0; tile < tiles; tile++) {
            int64_t first = alone->num_rows * tile / tiles, end = alone->num_rows * (tile + 1) / tiles;
            pass_alone(alone, team->size > 1 ? team : NULL, first, end - first);
        }
}

/* Compute the layers of so many simulations of `num_rows` trees; return 0 where memory is short. */
int64_t kvzero_multiply(Engine *engine, int64_t num_rows, int64_t num_simulations, int64_t num_threads) {
    int64_t widest = engine->wide_stride;
    if (widest < engine->hidden_stride) widest = engine->hidden_stride;
    if (widest < engine->bins_stride) widest = engine->bins_stride;
    if (widest < engine->second_stride) widest = engine->second_stride;
    int64_t bytes = num_rows * widest * 4;
    Alone alone = {engine, num_rows, num_simulations, widest, reserve(bytes), reserve(bytes)};
    int is_small = engine->weight_bytes <= SMALL_BYTES, is_done = alone.in && alone.out;
    if (is_small && num_threads > (num_rows + 1) / 2) num_threads = (num_rows + 1) / 2;
    if (num_threads > MAX_MEMBERS) num_threads = MAX_MEMBERS;
    if (is_done) {
        uint32_t *in = alone.in;
        for (int64_t i = 0; i < bytes / 4; i++) in[i] = 0x3f803f80; /* about 1, as a float and as two bfloat16 */
        run_team((int)num_threads, is_small ? multiply_shared_rows : multiply_shared_panels, &alone);
    }
    free(alone.in);
    free(alone.out);
    return is_done;
}

#endif
