/* One new node of every search tree through the network: two tokens for each row, against a cached context.
 *
 * Keys and values are read from a tree store's arena by the slots that a block table lists, and written there; nothing
 * is copied. The weights are packed once, see linear.h. Rows are independent of each other, and what is computed for
 * one does not depend, to the last bit, on how many there are or how threads share them.
 *
 * A token x passes through L layers of a pre-norm transformer and a last norm:
 *
 *     x := x + W_merge softmax(q K^T / sqrt(d)) V,  (q, k, v) = W_project LN(x),  q and k turned by their position
 *     x := x + W_narrow gelu(W_widen LN(x))
 *
 * The action token goes first. Its output predicts the reward and the next latent, and that latent is the second token,
 * whose output predicts value and policy. So a node is two passes, and the second cannot begin before the first ends.
 */

#include <stdlib.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "choices.h"
#include "linear.h"
#include "team.h"
#include "vector.h"

/* Weights that a core's own cache holds: threads then share rows, and each passes its rows through all of the network
 * without waiting for anybody. Larger weights come from memory, which is what takes the time: threads then share the
 * panels of each product, so that every weight is read once for all rows, and wait for each other after every stage. */
#define SMALL_BYTES (3 << 19)
#define SMALL_TILE 16         /* rows that pass together where threads share rows */
#define LARGE_TILE 64         /* rows that pass together where threads share panels: weights are read once for them */
#define SIMNORM_GROUP 8
#define NORM_EPSILON 1e-5f

typedef struct {
    int64_t embed, layers, heads, context, actions, bins, hidden, is_simnorm, is_bf16, max_rows;
    int64_t action_dim; /* numbers of a continuous action, 0 where actions are numbered */
} Sizes;

typedef struct {
    float *scale, *shift;
} Norm;

typedef struct {
    Norm attention_norm, mlp_norm;
    Linear project, merge, widen, narrow;
} Layer;

typedef struct {
    Linear hidden, first, second;
} Head;

typedef struct {
    Sizes sizes;
    Layer *layers;
    Norm final_norm;
    Head action_head, latent_head;
    float *action_table; /* [action, embed]; or the weights of each number of an action, then the bias */
    int64_t weight_bytes; /* of one pass */
    /* Scratch, [row, stride of it]: rows have nothing in common, so that any thread may work on any of them. `tokens`
     * is the residual stream, always floats. `normed`, `mixed`, `wide` and `hidden` are read by products: floats, or
     * bfloat16. */
    int64_t embed_stride, project_stride, wide_stride, hidden_stride, bins_stride, second_stride, scores_stride;
    float *tokens, *projected, *first, *second, *scores;
    void *normed, *mixed, *wide, *hidden;
    void **places;      /* [row, context] */
    int64_t *slots;     /* [row, context + 2] */
    int64_t *positions; /* [row, 2] */
    int64_t *own_slots; /* [row, 2] */
} Engine;

/* What one search works on; Python fills it in. */
typedef struct {
    Engine *engine;
    void *arena;                   /* [env * slot, layer, 2, embed] */
    int64_t *table;                /* [env * node, context] */
    const float *rotary;           /* [token, 2, head_dim] */
    const int64_t *envs;           /* [row] */
    const int64_t *root_positions; /* [row] */
    const Choices *choices;        /* NULL where actions are numbered */
    float *latents;                /* [row, embed]: where to put the latents predicted, or NULL */
    int64_t num_slots, num_nodes, num_threads;
} Search;

typedef struct {
    const Search *search;
    int64_t num_rows;
    const int64_t *actions; /* [row, action_stride] */
    int64_t action_stride;
    const float *given_latents; /* [row, embed] where the latents are known, or NULL where they are predicted */
    float *rewards, *values, *logits;
    const int64_t *parents; /* [row, action_stride]: nodes at which the actions were drawn */
    int64_t node;           /* that is evaluated */
    const float *vectors;   /* [row, action_dim]: continuous actions that were taken, or NULL */
} Job;

/* Rows that pass together. */
typedef struct {
    const Job *job;
    Engine *engine;
    int is_shared; /* whether others help with the work on these rows */
    int64_t first_row, num_rows;
    int which; /* 0: action tokens, 1: latent tokens */
    int layer;
} Pass;

/* ---- Memory ---- */

/* Large blocks lie in huge pages where the system has them: weights are read from end to end for every token, and small
 * pages would each cost a look-up of their address. Zeros, padding included, as whole vectors are read there too. */
static void *reserve(int64_t bytes) {
    int64_t alignment = bytes >= (1 << 22) ? 1 << 21 : 64;
    void *memory = NULL;
    bytes = (bytes + alignment - 1) / alignment * alignment;
    if (bytes == 0) bytes = alignment;
    if (posix_memalign(&memory, (size_t)alignment, (size_t)bytes) != 0) return NULL;
#if defined(__linux__)
    if (alignment > 64) madvise(memory, (size_t)bytes, MADV_HUGEPAGE);
#endif
    memset(memory, 0, (size_t)bytes);
    return memory;
}

static int64_t round_up(int64_t n) { return (n + COLUMNS - 1) / COLUMNS * COLUMNS; }

/* Rows an odd number of cache lines apart do not fall into the same sets of the cache. */
static int64_t stride_of(int64_t n) { return round_up(n) + COLUMNS * (1 - round_up(n) / COLUMNS % 2); }

static int make_linear(Engine *engine, Linear *layer, int64_t n, int64_t k) {
    int64_t bytes = round_up(n) * k * (engine->sizes.is_bf16 ? 2 : 4);
    *layer = (Linear){reserve(bytes), reserve(round_up(n) * 4), n, k, round_up(n) / COLUMNS};
    engine->weight_bytes += bytes;
    return layer->panels && layer->bias;
}

static int make_norm(Engine *engine, Norm *norm) {
    *norm = (Norm){reserve(engine->sizes.embed * 4), reserve(engine->sizes.embed * 4)};
    return norm->scale && norm->shift;
}

static int make_head(Engine *engine, Head *head, int64_t second) {
    int64_t embed = engine->sizes.embed, hidden = engine->sizes.hidden;
    return make_linear(engine, &head->hidden, 2 * hidden, embed) &&
           make_linear(engine, &head->first, engine->sizes.bins, hidden) &&
           make_linear(engine, &head->second, second, hidden);
}

static int64_t table_rows(const Engine *engine) {
    return engine->sizes.action_dim ? engine->sizes.action_dim + 1 : engine->sizes.actions;
}

static int make_weights(Engine *engine) {
    int64_t embed = engine->sizes.embed, is_made = 1;
    engine->layers = calloc((size_t)engine->sizes.layers, sizeof(Layer));
    if (!engine->layers) return 0;
    for (int64_t i = 0; i < engine->sizes.layers; i++) {
        Layer *layer = &engine->layers[i];
        is_made &= make_norm(engine, &layer->attention_norm) && make_norm(engine, &layer->mlp_norm) &&
                   make_linear(engine, &layer->project, 3 * embed, embed) &&
                   make_linear(engine, &layer->merge, embed, embed) &&
                   make_linear(engine, &layer->widen, 4 * embed, embed) &&
                   make_linear(engine, &layer->narrow, embed, 4 * embed);
    }
    engine->action_table = reserve(table_rows(engine) * embed * 4);
    return is_made && make_norm(engine, &engine->final_norm) && make_head(engine, &engine->action_head, embed) &&
           make_head(engine, &engine->latent_head, engine->sizes.actions) && engine->action_table;
}

static int make_scratch(Engine *engine) {
    const Sizes *sizes = &engine->sizes;
    int64_t rows = sizes->max_rows, embed = sizes->embed;
    engine->embed_stride = stride_of(embed);
    engine->project_stride = stride_of(3 * embed);
    engine->wide_stride = stride_of(4 * embed);
    engine->hidden_stride = stride_of(2 * sizes->hidden);
    engine->bins_stride = stride_of(sizes->bins);
    engine->second_stride = stride_of(embed > sizes->actions ? embed : sizes->actions);
    engine->scores_stride = sizes->heads * round_up(sizes->context);
    engine->tokens = reserve(rows * engine->embed_stride * 4);
    engine->projected = reserve(rows * engine->project_stride * 4);
    engine->first = reserve(rows * engine->bins_stride * 4);
    engine->second = reserve(rows * engine->second_stride * 4);
    engine->scores = reserve(rows * engine->scores_stride * 4);
    engine->normed = reserve(rows * engine->embed_stride * 4);
    engine->mixed = reserve(rows * engine->embed_stride * 4);
    engine->wide = reserve(rows * engine->wide_stride * 4);
    engine->hidden = reserve(rows * engine->hidden_stride * 4);
    engine->places = reserve(rows * sizes->context * (int64_t)sizeof(void *));
    engine->slots = reserve(rows * (sizes->context + 2) * 8);
    engine->positions = reserve(rows * 2 * 8);
    engine->own_slots = reserve(rows * 2 * 8);
    return engine->tokens && engine->projected && engine->first && engine->second && engine->scores &&
           engine->normed && engine->mixed && engine->wide && engine->hidden && engine->places && engine->slots &&
           engine->positions && engine->own_slots;
}

static void free_linear(Linear *layer) {
    free(layer->panels);
    free(layer->bias);
}

static void free_norm(Norm *norm) {
    free(norm->scale);
    free(norm->shift);
}

static void free_head(Head *head) {
    free_linear(&head->hidden);
    free_linear(&head->first);
    free_linear(&head->second);
}

void kvzero_free(Engine *engine) {
    if (!engine) return;
    for (int64_t i = 0; engine->layers && i < engine->sizes.layers; i++) {
        Layer *layer = &engine->layers[i];
        free_norm(&layer->attention_norm);
        free_norm(&layer->mlp_norm);
        free_linear(&layer->project);
        free_linear(&layer->merge);
        free_linear(&layer->widen);
        free_linear(&layer->narrow);
    }
    free_norm(&engine->final_norm);
    free_head(&engine->action_head);
    free_head(&engine->latent_head);
    void *others[] = {engine->layers, engine->action_table, engine->tokens, engine->projected, engine->first,
                      engine->second, engine->scores, engine->normed, engine->mixed, engine->wide, engine->hidden,
                      engine->places, engine->slots, engine->positions, engine->own_slots};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) free(others[i]);
    free(engine);
}

/* Return an engine without weights, or NULL where memory is short. */
Engine *kvzero_make(const Sizes *sizes) {
    Engine *engine = calloc(1, sizeof(Engine));
    if (!engine) return NULL;
    engine->sizes = *sizes;
    if (make_weights(engine) && make_scratch(engine)) return engine;
    kvzero_free(engine);
    return NULL;
}

static const float *const *pack_linear(const Engine *engine, Linear *layer, const float *const *from) {
    pack(layer, from[0], from[1], (int)engine->sizes.is_bf16);
    return from + 2;
}

static const float *const *pack_norm(const Engine *engine, Norm *norm, const float *const *from) {
    memcpy(norm->scale, from[0], (size_t)engine->sizes.embed * 4);
    memcpy(norm->shift, from[1], (size_t)engine->sizes.embed * 4);
    return from + 2;
}

static const float *const *pack_head(const Engine *engine, Head *head, const float *const *from) {
    from = pack_linear(engine, &head->hidden, from);
    from = pack_linear(engine, &head->first, from);
    return pack_linear(engine, &head->second, from);
}

/* Take in weights: weight and bias of every layer in the order of the structures above, then the table of actions. */
void kvzero_pack(Engine *engine, const float *const *from) {
    for (int64_t i = 0; i < engine->sizes.layers; i++) {
        Layer *layer = &engine->layers[i];
        from = pack_norm(engine, &layer->attention_norm, from);
        from = pack_linear(engine, &layer->project, from);
        from = pack_linear(engine, &layer->merge, from);
        from = pack_norm(engine, &layer->mlp_norm, from);
        from = pack_linear(engine, &layer->widen, from);
        from = pack_linear(engine, &layer->narrow, from);
    }
    from = pack_norm(engine, &engine->final_norm, from);
    from = pack_head(engine, &engine->action_head, from);
    from = pack_head(engine, &engine->latent_head, from);
    memcpy(engine->action_table, from[0], (size_t)(table_rows(engine) * engine->sizes.embed) * 4);
}

/* ---- Work that may be shared; see team.h ---- */

/* Do items 0 .. count - 1 of something in this pass, chunk by chunk where others help.
 *
 * It returns when all of them are done. That is the barrier between two stages: each reads whole rows that the stage
 * before has written piece by piece, a product all numbers of a norm, attention all columns of a projection. */
static void share(const Pass *pass, Work work, const void *what, int64_t count, int64_t chunk) {
    if (pass->is_shared) do_together(work, pass, what, count, chunk);
    else work(pass, what, 0, count);
}

static void multiply_panels(const void *context, const void *what, int64_t begin, int64_t end) {
    (void)context;
    multiply(what, begin, end);
}

/* Multiply the rows of this pass. `in_first` is where in a row the numbers begin. */
static void product(const Pass *pass, const Linear *layer, const void *in, int64_t in_first, int64_t in_stride, void *out,
                    int64_t out_stride, Epilogue epilogue) {
    int is_bf16 = (int)pass->engine->sizes.is_bf16;
    int64_t in_bytes = is_bf16_in(is_bf16) ? 2 : 4, out_bytes = epilogue == GELU ? in_bytes : 4;
    Product what = {
        .layer = layer,
        .in = (const char *)in + (pass->first_row * in_stride + in_first) * in_bytes,
        .out = (char *)out + pass->first_row * out_stride * out_bytes,
        .in_stride = in_stride,
        .out_stride = out_stride,
        .num_rows = pass->num_rows,
        .epilogue = epilogue,
        .is_bf16 = is_bf16,
    };
    /* Few rows: long chunks, which memory streams well. Many: short ones, so that nobody waits long for the last. A
     * chunk is a whole number of the steps that `multiply` takes, and an eighth of a thread's share at most, where that
     * is a step or more. */
    int64_t step = panel_step(pass->num_rows);
    int64_t steps = layer->num_panels / (8 * pass->job->search->num_threads) / step;
    steps = blocks_of(pass->num_rows) > 1 || steps < 1 ? 1 : steps > 3 ? 3 : steps;
    share(pass, multiply_panels, &what, layer->num_panels, step * steps);
}

INLINE void store_input(int is_bf16, void *row, int64_t place, vec x) {
    if (is_bf16_in(is_bf16)) store_bf16((bf16 *)row + place, x);
    else store((float *)row + place, x);
}

INLINE void store_one_input(int is_bf16, void *row, int64_t place, float x) {
    if (is_bf16_in(is_bf16)) ((bf16 *)row)[place] = to_bf16(x);
    else ((float *)row)[place] = x;
}

static void *input_row(const Engine *engine, void *inputs, int64_t row, int64_t stride) {
    return (char *)inputs + row * stride * (is_bf16_in((int)engine->sizes.is_bf16) ? 2 : 4);
}

/* ---- Norms ---- */

typedef struct {
    float mean, inverse;
} Moments;

/* Mean and 1 / sqrt(variance + epsilon) (Ba et al. 2016, eq. 3). The row is read twice: E[x^2] - E[x]^2 would cancel. */
static Moments moments(const float *x, int64_t n) {
    int64_t i;
    vec total = splat(0.0f), squares = splat(0.0f);
    for (i = 0; i + WIDTH <= n; i += WIDTH) total += load(x + i);
    float mean = sum(total);
    for (; i < n; i++) mean += x[i];
    mean /= (float)n;
    for (i = 0; i + WIDTH <= n; i += WIDTH) {
        vec distance = load(x + i) - mean;
        squares += distance * distance;
    }
    float variance = sum(squares);
    for (; i < n; i++) variance += (x[i] - mean) * (x[i] - mean);
    return (Moments){mean, 1.0f / sqrtf(variance / (float)n + NORM_EPSILON)};
}

/* LN(x) = (x - mean) / sqrt(variance + epsilon) * scale + shift, from the residual stream into what a product reads. */
static void norm_rows(const void *context, const void *what, int64_t begin, int64_t end) {
    const Pass *pass = context;
    const Engine *engine = pass->engine;
    const Norm *norm = what;
    int is_bf16 = (int)engine->sizes.is_bf16;
    for (int64_t row = pass->first_row + begin; row < pass->first_row + end; row++) {
        const float *x = engine->tokens + row * engine->embed_stride;
        void *out = input_row(engine, engine->normed, row, engine->embed_stride);
        Moments of = moments(x, engine->sizes.embed);
        int64_t i = 0;
        for (; i + WIDTH <= engine->sizes.embed; i += WIDTH)
            store_input(is_bf16, out, i,
                        (load(x + i) - of.mean) * of.inverse * load(norm->scale + i) + load(norm->shift + i));
        for (; i < engine->sizes.embed; i++)
            store_one_input(is_bf16, out, i, (x[i] - of.mean) * of.inverse * norm->scale[i] + norm->shift[i]);
    }
}

/* Softmax in groups of 8 numbers (SimNorm, Lavoie et al. 2022). A vector may be wider than a group: what it holds
 * beyond the group is computed with it and left out of the sum. */
static void simnorm(float *x, int64_t n) {
    for (int64_t group = 0; group < n; group += SIMNORM_GROUP) {
        float padded[COLUMNS] = {0}, *of = x + group, top = of[0], total = 0.0f;
        for (int i = 1; i < SIMNORM_GROUP; i++) top = of[i] > top ? of[i] : top;
        for (int i = 0; i < SIMNORM_GROUP; i++) padded[i] = of[i] - top;
        for (int i = 0; i < SIMNORM_GROUP; i += WIDTH) store(padded + i, exponential(load(padded + i)));
        for (int i = 0; i < SIMNORM_GROUP; i++) total += padded[i];
        for (int i = 0; i < SIMNORM_GROUP; i++) of[i] = padded[i] / total;
    }
}

/* What ends a next latent and the token of a continuous action: SimNorm, or LayerNorm without scale and shift. */
static void latent_norm(const Engine *engine, float *x) {
    int64_t n = engine->sizes.embed;
    if (engine->sizes.is_simnorm) {
        simnorm(x, n);
        return;
    }
    Moments of = moments(x, n);
    for (int64_t i = 0; i < n; i++) x[i] = (x[i] - of.mean) * of.inverse;
}

/* ---- Attention ---- */

/* Rotary positions (Su et al. 2021): number i pairs with number i + head_dim / 2; `rotation` is a cosine for each
 * number, then a signed sine. A key is turned once, when it is made, and stays valid as it is. */
static void rotate(float *restrict x, const float *restrict rotation, int64_t heads, int64_t head_dim) {
    int64_t half = head_dim / 2;
    const float *cosine = rotation, *sine = rotation + head_dim;
    for (int64_t head = 0; head < heads; head++, x += head_dim)
        for (int64_t i = 0; i < half; i++) {
            float low = x[i], high = x[i + half];
            x[i] = low * cosine[i] + high * sine[i];
            x[i + half] = high * cosine[i + half] + low * sine[i + half];
        }
}

/* Into the arena and back: floats, or their upper halves where the search is in bfloat16. */
INLINE void keep(int is_bf16, void *arena_row, const float *x, int64_t n) {
    if (!is_bf16) {
        memcpy(arena_row, x, (size_t)n * 4);
        return;
    }
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) store_bf16((bf16 *)arena_row + i, load(x + i));
    for (; i < n; i++) ((bf16 *)arena_row)[i] = to_bf16(x[i]);
}

INLINE float kept(int is_bf16, const void *arena_row, int64_t place) {
    if (!is_bf16) return ((const float *)arena_row)[place];
    uint32_t bits = (uint32_t)((const bf16 *)arena_row)[place] << 16;
    float x;
    memcpy(&x, &bits, 4);
    return x;
}

INLINE vec kept_vector(int is_bf16, const void *arena_row, int64_t place) {
    return is_bf16 ? load_bf16((const bf16 *)arena_row + place) : load((const float *)arena_row + place);
}

/* List where in the arena the visible tokens of this layer lie, the new one last; return how many there are.
 *
 * A row of `slots` has the C tokens of the parent's context, oldest first, then the node's action and latent. The token
 * at place C + which sees itself and the C - 1 before it: token i attends to tokens j with 0 <= i - j < C, as in
 * training. Slots below 0 stand for tokens before the first one. A slot has all layers of a token behind each other,
 * each its key of all heads, then its value. */
static int64_t find_places(const Pass *pass, int64_t row, void **places) {
    const Engine *engine = pass->engine;
    const Search *search = pass->job->search;
    const Sizes *sizes = &engine->sizes;
    int64_t token_bytes = 2 * sizes->embed * (sizes->is_bf16 ? 2 : 4), num_places = 0;
    char *base = (char *)search->arena +
                 (search->envs[row] * search->num_slots * sizes->layers + pass->layer) * token_bytes;
    const int64_t *slots = engine->slots + row * (sizes->context + 2);
    for (int64_t i = pass->which + 1; i < pass->which + sizes->context; i++)
        if (slots[i] >= 0) places[num_places++] = base + slots[i] * sizes->layers * token_bytes;
    places[num_places++] = base + engine->own_slots[2 * row + pass->which] * sizes->layers * token_bytes;
    return num_places;
}

/* Turn scores into probabilities; there is room for whole vectors, and what stands beyond `n` is never read. The
 * largest score is taken off first: then no exponential overflows. */
static void softmax(float *scores, int64_t n) {
    float top = scores[0], total = 0.0f;
    for (int64_t i = 1; i < n; i++) top = scores[i] > top ? scores[i] : top;
    for (int64_t i = 0; i < n; i += WIDTH) store(scores + i, exponential(load(scores + i) - top));
    for (int64_t i = 0; i < n; i++) total += scores[i];
    float share = 1.0f / total;
    for (int64_t i = 0; i < n; i++) scores[i] *= share;
}

/* q . k of one head, which begins at `first` in both rows. A head narrower than a vector has no sum across one. */
INLINE float dot(int is_bf16, const float *query, const void *key, int64_t first, int64_t n) {
    vec total = splat(0.0f);
    int64_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) total += load(query + first + i) * kept_vector(is_bf16, key, first + i);
    float rest = 0.0f;
    for (; i < n; i++) rest += query[first + i] * kept(is_bf16, key, first + i);
    return n < WIDTH ? rest : sum(total) + rest;
}

/* mixed = softmax(q K^T / sqrt(d)) V for every head of one token.
 *
 * Scores: tokens outside, heads inside, as the keys of all heads of a token lie behind each other. Values: tokens
 * innermost, so that a sum stays in a register until it is whole. The new key and value are written before they are
 * read, since a token sees itself. `is_bf16` is a constant where this is inlined: the loops have no branch for it. */
INLINE void attend(const Pass *pass, int is_bf16, int64_t row) {
    Engine *engine = pass->engine;
    const int64_t embed = engine->sizes.embed, heads = engine->sizes.heads, head_dim = embed / heads;
    const int64_t head_stride = engine->scores_stride / heads;
    float *query = engine->projected + row * engine->project_stride, *key = query + embed, *value = key + embed;
    const float *rotation = pass->job->search->rotary + engine->positions[2 * row + pass->which] * 2 * head_dim;
    void **places = engine->places + row * engine->sizes.context;
    int64_t num_places = find_places(pass, row, places), value_place = embed;
    /* The key lies behind the query: both are turned as one row of twice the heads. */
    rotate(query, rotation, 2 * heads, head_dim);
    keep(is_bf16, places[num_places - 1], key, embed);
    keep(is_bf16, (char *)places[num_places - 1] + embed * (is_bf16 ? 2 : 4), value, embed);
    float *scores = engine->scores + row * engine->scores_stride, shrink = 1.0f / sqrtf((float)head_dim);
    void *out = input_row(engine, engine->mixed, row, engine->embed_stride);
    for (int64_t i = 0; i < num_places; i++)
        for (int64_t head = 0; head < heads; head++)
            scores[head * head_stride + i] = dot(is_bf16, query, places[i], head * head_dim, head_dim) * shrink;
    for (int64_t head = 0; head < heads; head++) {
        float *share = scores + head * head_stride;
        softmax(share, num_places);
        int64_t first = head * head_dim, place = first;
        for (; place + WIDTH <= first + head_dim; place += WIDTH) {
            vec total = splat(0.0f);
            for (int64_t i = 0; i < num_places; i++)
                total += share[i] * kept_vector(is_bf16, places[i], value_place + place);
            store_input(is_bf16, out, place, total);
        }
        for (; place < first + head_dim; place++) {
            float total = 0.0f;
            for (int64_t i = 0; i < num_places; i++) total += share[i] * kept(is_bf16, places[i], value_place + place);
            store_one_input(is_bf16, out, place, total);
        }
    }
}

static void attend_rows(const void *context, const void *what, int64_t begin, int64_t end) {
    const Pass *pass = context;
    (void)what;
    for (int64_t row = pass->first_row + begin; row < pass->first_row + end; row++) {
        if (pass->engine->sizes.is_bf16) attend(pass, 1, row);
        else attend(pass, 0, row);
    }
}

/* ---- Answers ---- */

/* The scalar that categorical logits stand for: the expected bin, and the inverse of Pohlen et al. 2018, A.2.
 *
 * E = sum_i p_i (i - (n - 1) / 2) with p = softmax(logits); numerator and denominator are summed side by side. Then,
 * with c = |E| + 1 + 0.001, x = sign(E) ((2 c / (1 + sqrt(1 + 4 * 0.001 c)))^2 - 1), see support.py. Padding gets -inf,
 * whose exponential is e^-87 here: it adds nothing that a float can tell. */
static float decode(float *logits, int64_t bins) {
    int64_t padded = round_up(bins);
    vec total = splat(0.0f), moment = splat(0.0f), bin, tops = splat(logits[0]);
    for (int64_t i = bins; i < padded; i++) logits[i] = -INFINITY;
    for (int64_t i = 0; i < padded; i += WIDTH) tops = at_least(tops, load(logits + i));
    float top = largest(tops);
    for (int i = 0; i < WIDTH; i++) bin[i] = (float)(i - bins / 2);
    for (int64_t i = 0; i < padded; i += WIDTH) {
        vec weight = exponential(load(logits + i) - top);
        total += weight;
        moment += weight * bin;
        bin += (float)WIDTH;
    }
    float expected = sum(moment) / sum(total), size = fabsf(expected) + 1.001f;
    float root = 2.0f * size / (1.0f + sqrtf(1.0f + 0.004f * size));
    return copysignf(1.0f, expected) * (root * root - 1.0f);
}

/* What action tokens say: the reward, and the next latent, which is the token of the second pass. */
static void answer_action_rows(const void *context, const void *what, int64_t begin, int64_t end) {
    const Pass *pass = context;
    (void)what;
    Engine *engine = pass->engine;
    const int64_t embed = engine->sizes.embed;
    for (int64_t row = pass->first_row + begin; row < pass->first_row + end; row++) {
        float *latent = engine->second + row * engine->second_stride;
        pass->job->rewards[row] = decode(engine->first + row * engine->bins_stride, engine->sizes.bins);
        latent_norm(engine, latent);
        memcpy(engine->tokens + row * engine->embed_stride, latent, (size_t)embed * 4);
        if (pass->job->search->latents) memcpy(pass->job->search->latents + row * embed, latent, (size_t)embed * 4);
    }
}

/* All actions that are drawn from the policy are equally likely. */
static void offer_choices(const Pass *pass, int64_t row, const float *policy) {
    const Choices *choices = pass->job->search->choices;
    const Sizes *sizes = &pass->engine->sizes;
    draw(choices, row, pass->job->node, policy, sizes->action_dim);
    memset(pass->job->logits + row * choices->num_choices, 0, (size_t)choices->num_choices * 4);
    if (choices->policies) memcpy(choices->policies + row * sizes->actions, policy, (size_t)sizes->actions * 4);
}

/* What latent tokens say: the value, and the policy or what was drawn from it. */
static void answer_latent_rows(const void *context, const void *what, int64_t begin, int64_t end) {
    const Pass *pass = context;
    (void)what;
    Engine *engine = pass->engine;
    const int64_t actions = engine->sizes.actions;
    for (int64_t row = pass->first_row + begin; row < pass->first_row + end; row++) {
        pass->job->values[row] = decode(engine->first + row * engine->bins_stride, engine->sizes.bins);
        const float *policy = engine->second + row * engine->second_stride;
        if (!engine->sizes.action_dim || pass->job->vectors)
            memcpy(pass->job->logits + row * actions, policy, (size_t)actions * 4);
        else
            offer_choices(pass, row, policy);
    }
}

/* ---- Passes ---- */

/* The hidden layers of both heads are one product, [first, second]; each last layer reads its half of it. */
static void read_head(const Pass *pass, const Head *head) {
    Engine *engine = pass->engine;
    product(pass, &head->hidden, engine->normed, 0, engine->embed_stride, engine->hidden, engine->hidden_stride, GELU);
    product(pass, &head->first, engine->hidden, 0, engine->hidden_stride, engine->first, engine->bins_stride, STORE);
    product(pass, &head->second, engine->hidden, engine->sizes.hidden, engine->hidden_stride, engine->second,
            engine->second_stride, STORE);
}

/* Pass tokens through all layers, as the equations at the top say. ADD writes onto the residual stream. Each line ends
 * with the barrier of `share`. */
static void pass_layers(Pass *pass) {
    Engine *engine = pass->engine;
    const int64_t embed = engine->embed_stride, rows = pass->num_rows;
    for (pass->layer = 0; pass->layer < engine->sizes.layers; pass->layer++) {
        const Layer *layer = &engine->layers[pass->layer];
        share(pass, norm_rows, &layer->attention_norm, rows, 1);
        product(pass, &layer->project, engine->normed, 0, embed, engine->projected, engine->project_stride, STORE);
        share(pass, attend_rows, NULL, rows, 1);
        product(pass, &layer->merge, engine->mixed, 0, embed, engine->tokens, embed, ADD);
        share(pass, norm_rows, &layer->mlp_norm, rows, 1);
        product(pass, &layer->widen, engine->normed, 0, embed, engine->wide, engine->wide_stride, GELU);
        product(pass, &layer->narrow, engine->wide, 0, engine->wide_stride, engine->tokens, embed, ADD);
    }
    share(pass, norm_rows, &engine->final_norm, rows, 1);
}

/* The continuous action of a row: what was taken, or what was drawn at the parent of the new node. */
static const float *action_of(const Job *job, int64_t row) {
    const int64_t dim = job->search->engine->sizes.action_dim, place = row * job->action_stride;
    if (job->vectors) return job->vectors + row * dim;
    return set_of(job->search->choices, row, job->parents[place], dim) + job->actions[place] * dim;
}

/* The token of a continuous action a: norm(W a + b). The table holds the columns of W behind each other, then b. */
static void project_action(const Engine *engine, const float *action, float *token) {
    const int64_t embed = engine->sizes.embed, dim = engine->sizes.action_dim;
    memcpy(token, engine->action_table + dim * embed, (size_t)embed * 4);
    for (int64_t d = 0; d < dim; d++)
        for (int64_t i = 0; i < embed; i++) token[i] += action[d] * engine->action_table[d * embed + i];
    latent_norm(engine, token);
}

static void take_actions(const void *context, const void *what, int64_t begin, int64_t end) {
    const Pass *pass = context;
    (void)what;
    const Job *job = pass->job;
    const Engine *engine = pass->engine;
    const int64_t embed = engine->sizes.embed;
    for (int64_t row = pass->first_row + begin; row < pass->first_row + end; row++) {
        float *token = engine->tokens + row * engine->embed_stride;
        if (engine->sizes.action_dim)
            project_action(engine, action_of(job, row), token);
        else
            memcpy(token, engine->action_table + job->actions[row * job->action_stride] * embed, (size_t)embed * 4);
    }
}

static void take_latents(const void *context, const void *what, int64_t begin, int64_t end) {
    const Pass *pass = context;
    (void)what;
    const int64_t embed = pass->engine->sizes.embed;
    for (int64_t row = pass->first_row + begin; row < pass->first_row + end; row++)
        memcpy(pass->engine->tokens + row * pass->engine->embed_stride, pass->job->given_latents + row * embed,
               (size_t)embed * 4);
}

/* Evaluate a node for some rows: the action token, the latent that it leads to, and the latent token. */
static void pass_rows(const Job *job, int is_shared, int64_t first_row, int64_t num_rows) {
    Pass pass = {job, job->search->engine, is_shared, first_row, num_rows, 0, 0};
    share(&pass, take_actions, NULL, num_rows, 4);
    pass_layers(&pass);
    if (job->given_latents) {
        share(&pass, take_latents, NULL, num_rows, 4);
    } else {
        read_head(&pass, &pass.engine->action_head);
        share(&pass, answer_action_rows, NULL, num_rows, 1);
    }
    pass.which = 1;
    pass_layers(&pass);
    read_head(&pass, &pass.engine->latent_head);
    share(&pass, answer_latent_rows, NULL, num_rows, 1);
}

static void pass_small_tiles(const void *context, const void *what, int64_t begin, int64_t end) {
    const Job *job = context;
    const int64_t tiles = *(const int64_t *)what;
    for (int64_t tile = begin; tile < end; tile++) {
        int64_t first = job->num_rows * tile / tiles, last = job->num_rows * (tile + 1) / tiles;
        pass_rows(job, 0, first, last - first);
    }
}

/* Let threads share rows where the weights are near to each of them, else the panels of the weights.
 *
 * Small weights: a tile is passed from beginning to end by one thread, so the only barrier is the last one; there are
 * as many tiles as threads at least, and no more threads than pairs of rows. Large weights: tiles come one after the
 * other, and all threads work on the same one, so that together they read the weights once for all rows of a tile.
 * Where another search has the helpers, this thread does everything alone. */
static void run(const Job *job) {
    int is_small = job->search->engine->weight_bytes <= SMALL_BYTES, is_shared;
    int64_t rows = job->num_rows, threads = job->search->num_threads;
    if (is_small && threads > (rows + 1) / 2) threads = (rows + 1) / 2;
    is_shared = gather(threads);
    if (is_small) {
        int64_t tiles = (rows + SMALL_TILE - 1) / SMALL_TILE;
        if (is_shared && tiles < threads) tiles = threads;
        if (is_shared) do_together(pass_small_tiles, job, &tiles, tiles, 1);
        else pass_small_tiles(job, &tiles, 0, tiles);
    } else {
        int64_t tiles = (rows + LARGE_TILE - 1) / LARGE_TILE;
        for (int64_t tile = 0; tile < tiles; tile++) {
            int64_t first = rows * tile / tiles, last = rows * (tile + 1) / tiles;
            pass_rows(job, is_shared, first, last - first);
        }
    }
    if (is_shared) dismiss();
}

/* Evaluate the new `node` of every tree; the arrays of trees are [row, num_tree_nodes]. */
void kvzero_expand(Search *search, int64_t num_rows, int64_t num_tree_nodes, int64_t node, const int64_t *parents,
                   const int64_t *actions, const int64_t *depths, float *rewards, float *values, float *logits) {
    Engine *engine = search->engine;
    const int64_t context = engine->sizes.context;
    /* The addresses of a tree store: node n owns slots C + 2n and C + 2n + 1, its row of the block table is the
     * parent's row and these two, without the oldest two; a node at depth k below a root whose latent has index t
     * stands at t + 2k - 1 (action) and t + 2k (latent). */
    for (int64_t row = 0; row < num_rows; row++) {
        int64_t *slots = engine->slots + row * (context + 2), *own = engine->own_slots + 2 * row;
        int64_t *table = search->table + search->envs[row] * search->num_nodes * context;
        int64_t place = row * num_tree_nodes + node;
        own[0] = context + 2 * node;
        own[1] = own[0] + 1;
        memcpy(slots, table + parents[place] * context, (size_t)context * 8);
        memcpy(slots + context, own, 16);
        memcpy(table + node * context, slots + 2, (size_t)context * 8);
        engine->positions[2 * row] = search->root_positions[row] + 2 * depths[place] - 1;
        engine->positions[2 * row + 1] = engine->positions[2 * row] + 1;
    }
    Job job = {search,  num_rows, actions + node, num_tree_nodes, NULL, rewards,
               values, logits,   parents + node, node,           NULL};
    run(&job);
}

/* Append an action and the latent seen after it to root contexts that have `lengths` tokens; -1 begins an episode. */
void kvzero_extend_roots(Search *search, int64_t num_rows, const int64_t *lengths, const void *actions,
                         const float *latents, float *values, float *logits) {
    Engine *engine = search->engine;
    const int64_t context = engine->sizes.context;
    /* Roots live in a ring: token i in slot i mod C. Before an episode's first latent, with index 0, comes an action
     * token -1 that nobody took: it is computed like the others, into a slot that the ring does not need yet, and
     * nothing attends to it, as tokens below 0 have no slot in the list. */
    for (int64_t row = 0; row < num_rows; row++) {
        int64_t *slots = engine->slots + row * (context + 2), length = lengths[row];
        for (int64_t i = 0; i < context + 2; i++) {
            int64_t token = length - context + i;
            slots[i] = token < 0 ? -1 : token % context;
        }
        for (int i = 0; i < 2; i++) {
            engine->own_slots[2 * row + i] = (length + i + context) % context;
            engine->positions[2 * row + i] = length + i < 0 ? 0 : length + i;
        }
    }
    int is_continuous = engine->sizes.action_dim > 0; /* floats [row, action_dim], else numbers [row] */
    Job job = {search, num_rows, is_continuous ? NULL : actions, 1, latents, NULL, values, logits, NULL, 0,
               is_continuous ? actions : NULL};
    run(&job);
}
