/* Vectors of the machine's own width, and the functions of them that a network needs. */

#ifndef KVZERO_VECTOR_H
#define KVZERO_VECTOR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__) || defined(__AVX__) || defined(__SSE__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define WIDTH 16
#elif defined(__AVX__)
#define WIDTH 8
#else
#define WIDTH 4
#endif

#if defined(__AVX512BF16__) && defined(__AVX512F__)
#define HAS_BFLOAT16_DOT 1
#else
#define HAS_BFLOAT16_DOT 0
#endif

#define INLINE static inline __attribute__((always_inline))

typedef uint16_t bf16; /* the upper half of a float */
typedef float vec __attribute__((vector_size(WIDTH * 4)));
typedef uint32_t uvec __attribute__((vector_size(WIDTH * 4)));
typedef float vec_in_memory __attribute__((vector_size(WIDTH * 4), aligned(4), may_alias));
typedef uint16_t half_in_memory __attribute__((vector_size(WIDTH * 2), aligned(2), may_alias));

INLINE vec splat(float x) { return x - (vec){0}; } /* not plus: -0 + 0 is 0, and -0 - 0 is -0 */
INLINE vec load(const float *from) { return *(const vec_in_memory *)from; }
INLINE void store(float *to, vec x) { *(vec_in_memory *)to = x; }

INLINE vec load_bf16(const bf16 *from) {
    return (vec)(__builtin_convertvector(*(const half_in_memory *)from, uvec) << 16);
}

/* Round to nearest, ties to even; NaN stays NaN. */
INLINE bf16 to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return (bf16)((bits >> 16) | 0x40u);
    return (bf16)((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

INLINE void store_bf16(bf16 *to, vec x) {
#if HAS_BFLOAT16_DOT
    __m256bh rounded = _mm512_cvtneps_pbh((__m512)x);
    memcpy(to, &rounded, 32);
#else
    uvec bits = (uvec)x, is_nan = (uvec)(x != x);
    uvec rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
    rounded = (rounded & ~is_nan) | (((bits >> 16) | 0x40u) & is_nan);
    *(half_in_memory *)to = __builtin_convertvector(rounded, half_in_memory);
#endif
}

/* `x`, but no more than `limit`; NaN stays NaN: the machine's minimum returns its second operand then. */
INLINE vec at_most(vec limit, vec x) {
#if WIDTH == 16
    return (vec)_mm512_min_ps((__m512)limit, (__m512)x);
#elif WIDTH == 8
    return (vec)_mm256_min_ps((__m256)limit, (__m256)x);
#else
    for (int i = 0; i < WIDTH; i++) x[i] = x[i] > limit[i] ? limit[i] : x[i];
    return x;
#endif
}

INLINE vec at_least(vec limit, vec x) {
#if WIDTH == 16
    return (vec)_mm512_max_ps((__m512)limit, (__m512)x);
#elif WIDTH == 8
    return (vec)_mm256_max_ps((__m256)limit, (__m256)x);
#else
    for (int i = 0; i < WIDTH; i++) x[i] = x[i] < limit[i] ? limit[i] : x[i];
    return x;
#endif
}

INLINE float sum(vec x) {
#if WIDTH == 16
    return _mm512_reduce_add_ps((__m512)x);
#else
    for (int half = WIDTH / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) x[i] += x[i + half];
    return x[0];
#endif
}

INLINE float largest(vec x) {
#if WIDTH == 16
    return _mm512_reduce_max_ps((__m512)x);
#else
    float top = x[0];
    for (int i = 1; i < WIDTH; i++) top = x[i] > top ? x[i] : top;
    return top;
#endif
}

/* e to the power of x, to about one unit in the last place; x is clipped to what a normal float can hold.
 *
 * x = n log 2 + r with |r| <= log 2 / 2; adding 1.5 * 2^23 rounds to an integer and leaves it in the low bits. log 2 is
 * taken off in two parts, 0.693359375 - 2.12194440e-4, the first of so few bits that n times it is exact. The
 * polynomial, e^r, is that of the Cephes library (S. Moshier, expf). Shifting n + 127 to where a float has its exponent
 * makes 2^n.
 */
INLINE vec exponential(vec x) {
    const float magic = 12582912.0f;
    x = at_most(splat(88.0f), at_least(splat(-87.0f), x));
    vec shifted = x * 1.44269504088896341f + magic;
    vec n = shifted - magic;
    vec r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    return p * (vec)(((uvec)shifted + 127u) << 23);
}

/* The tanh form of GELU (Hendrycks and Gimpel 2016): 0.5 x (1 + tanh u) is x / (1 + exp(-2u)), where
 * u = sqrt(2 / pi) (x + 0.044715 x^3). */
INLINE vec gelu(vec x) {
    vec twice = x * (1.5957691216057308f + 0.07135481282553648f * (x * x));
    return x / (1.0f + exponential(-twice));
}

#endif
