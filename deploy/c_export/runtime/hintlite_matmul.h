/* Inner products of weight rows with columns of inputs, one version for each set of kernels.
 *
 * hintlite_dot multiplies two rows with two columns at a time: every loaded value is used twice.
 * Sums are in 32 bits and wrap as TFLM's do. */
#ifndef HINTLITE_MATMUL_H
#define HINTLITE_MATMUL_H

#include <string.h>

#include "hintlite_arith.h"
#include "hintlite_kernels.h"

/* acc[0], acc[1]: rows 0 and 1 with column a; acc[2], acc[3]: with column b. */
typedef struct {
  int32_t acc[4];
} hintlite_sums;

#if defined(HINTLITE_MVE)
#include "hintlite_mve.h"

static inline hintlite_sums hintlite_dot(const int8_t *w0, const int8_t *w1, const int8_t *a,
                                         const int8_t *b, int32_t length) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int32_t block = length >> 4; block > 0; --block) {
    const int8x16_t x0 = vldrbq_s8(w0), x1 = vldrbq_s8(w1);
    const int8x16_t ya = vldrbq_s8(a), yb = vldrbq_s8(b);
    s0 = vmladavaq_s8(s0, x0, ya);
    s1 = vmladavaq_s8(s1, x1, ya);
    s2 = vmladavaq_s8(s2, x0, yb);
    s3 = vmladavaq_s8(s3, x1, yb);
    w0 += 16;
    w1 += 16;
    a += 16;
    b += 16;
  }
  if ((length & 15) != 0) {
    const mve_pred16_t lanes = vctp8q((uint32_t)(length & 15));
    const int8x16_t x0 = vldrbq_z_s8(w0, lanes), x1 = vldrbq_z_s8(w1, lanes);
    const int8x16_t ya = vldrbq_z_s8(a, lanes), yb = vldrbq_z_s8(b, lanes);
    s0 = vmladavaq_s8(s0, x0, ya);
    s1 = vmladavaq_s8(s1, x1, ya);
    s2 = vmladavaq_s8(s2, x0, yb);
    s3 = vmladavaq_s8(s3, x1, yb);
  }
  return (hintlite_sums){{s0, s1, s2, s3}};
}

#elif defined(HINTLITE_DSP)
#include "hintlite_dsp.h"

/* No instruction: keeps GCC from loading through `pointer` before `value` is ready, for which it
 * would need one register more than there are. */
#if defined(__GNUC__) && !defined(__clang__)
#define HINTLITE_AFTER(pointer, value) __asm__("" : "+r"(pointer), "+r"(value))
#else
#define HINTLITE_AFTER(pointer, value) ((void)0)
#endif

/* Both columns in one array of halfwords, four of a and four of b in turn, each four in the order
 * that SXTB16 gives to weights: 0, 2, 1, 3. */
static inline hintlite_sums hintlite_dot(const int8_t *w0, const int8_t *w1,
                                         const uint32_t *columns, int32_t row_bytes,
                                         const int32_t bias[2]) {
  int32_t s0 = bias[0], s1 = bias[1], s2 = bias[0], s3 = bias[1];
  const int8_t *end = w0 + row_bytes;
  do {
    uint32_t word = hintlite_word(w0);
    int16x2_t even = hintlite_even(word), odd = hintlite_odd(word);
    const int16x2_t a0 = (int16x2_t)columns[0], a1 = (int16x2_t)columns[1];
    const int16x2_t b0 = (int16x2_t)columns[2], b1 = (int16x2_t)columns[3];
    s0 = __smlad(even, a0, s0);
    s2 = __smlad(even, b0, s2);
    s0 = __smlad(odd, a1, s0);
    s2 = __smlad(odd, b1, s2);
    HINTLITE_AFTER(w1, s2);
    word = hintlite_word(w1);
    even = hintlite_even(word);
    odd = hintlite_odd(word);
    s1 = __smlad(even, a0, s1);
    s3 = __smlad(even, b0, s3);
    s1 = __smlad(odd, a1, s1);
    s3 = __smlad(odd, b1, s3);
    w0 += 4;
    w1 += 4;
    columns += 4;
  } while (w0 != end);
  return (hintlite_sums){{s0, s1, s2, s3}};
}

#else
static inline uint32_t hintlite_product(int32_t a, int32_t b) { return (uint32_t)(a * b); }

static inline hintlite_sums hintlite_dot(const int8_t *w0, const int8_t *w1, const int8_t *a,
                                         const int8_t *b, int32_t length) {
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int32_t i = 0; i < length; ++i) {
    s0 += hintlite_product(w0[i], a[i]);
    s1 += hintlite_product(w1[i], a[i]);
    s2 += hintlite_product(w0[i], b[i]);
    s3 += hintlite_product(w1[i], b[i]);
  }
  return (hintlite_sums){{(int32_t)s0, (int32_t)s1, (int32_t)s2, (int32_t)s3}};
}
#endif

#endif
