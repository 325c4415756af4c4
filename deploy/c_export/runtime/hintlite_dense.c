/* FULLY_CONNECTED: one column of inputs, four rows of weights at a time. */
#include "hintlite_matmul.h"

/* Sums of four rows; rows past the last are the last again. */
typedef struct {
  int32_t acc[4];
} four_sums;

typedef struct {
  const int8_t *w0, *w1, *w2, *w3;
} four_rows;

static four_rows rows_at(const hintlite_dense_params *p, const int8_t *first, int32_t left) {
  const int8_t *w1 = left > 1 ? first + p->row_bytes : first;
  const int8_t *w2 = left > 2 ? w1 + p->row_bytes : w1;
  return (four_rows){first, w1, w2, left > 3 ? w2 + p->row_bytes : w2};
}

#if defined(HINTLITE_MVE)
static four_sums dot_four(four_rows w, const int8_t *in, int32_t length) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int32_t block = length >> 4; block > 0; --block) {
    const int8x16_t x = vldrbq_s8(in);
    s0 = vmladavaq_s8(s0, vldrbq_s8(w.w0), x);
    s1 = vmladavaq_s8(s1, vldrbq_s8(w.w1), x);
    s2 = vmladavaq_s8(s2, vldrbq_s8(w.w2), x);
    s3 = vmladavaq_s8(s3, vldrbq_s8(w.w3), x);
    in += 16;
    w = (four_rows){w.w0 + 16, w.w1 + 16, w.w2 + 16, w.w3 + 16};
  }
  if ((length & 15) != 0) {
    const mve_pred16_t lanes = vctp8q((uint32_t)(length & 15));
    const int8x16_t x = vldrbq_z_s8(in, lanes);
    s0 = vmladavaq_s8(s0, vldrbq_z_s8(w.w0, lanes), x);
    s1 = vmladavaq_s8(s1, vldrbq_z_s8(w.w1, lanes), x);
    s2 = vmladavaq_s8(s2, vldrbq_z_s8(w.w2, lanes), x);
    s3 = vmladavaq_s8(s3, vldrbq_z_s8(w.w3, lanes), x);
  }
  return (four_sums){{s0, s1, s2, s3}};
}
#elif defined(HINTLITE_DSP)
/* The input as it is: it is used too seldom to be widened into a buffer. */
static four_sums dot_four(four_rows w, const int8_t *in, int32_t length) {
  int32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int32_t i = 0; i < length; i += 4) {
    uint32_t x = 0;
    if (length - i < 4) {
      (void)memcpy(&x, in + i, (size_t)(length - i));
    } else {
      x = hintlite_word(in + i);
    }
    const int16x2_t even = hintlite_even(x), odd = hintlite_odd(x);
    uint32_t word = hintlite_word(w.w0 + i);
    s0 = __smlad(hintlite_odd(word), odd, __smlad(hintlite_even(word), even, s0));
    word = hintlite_word(w.w1 + i);
    s1 = __smlad(hintlite_odd(word), odd, __smlad(hintlite_even(word), even, s1));
    word = hintlite_word(w.w2 + i);
    s2 = __smlad(hintlite_odd(word), odd, __smlad(hintlite_even(word), even, s2));
    word = hintlite_word(w.w3 + i);
    s3 = __smlad(hintlite_odd(word), odd, __smlad(hintlite_even(word), even, s3));
  }
  return (four_sums){{s0, s1, s2, s3}};
}
#else
static four_sums dot_four(four_rows w, const int8_t *in, int32_t length) {
  uint32_t s0 = 0, s1 = 0, s2 = 0, s3 = 0;
  for (int32_t i = 0; i < length; ++i) {
    const int32_t x = in[i];
    s0 += hintlite_product(w.w0[i], x);
    s1 += hintlite_product(w.w1[i], x);
    s2 += hintlite_product(w.w2[i], x);
    s3 += hintlite_product(w.w3[i], x);
  }
  return (four_sums){{(int32_t)s0, (int32_t)s1, (int32_t)s2, (int32_t)s3}};
}
#endif

#if defined(HINTLITE_MVE)
static void store_four(const hintlite_dense_params *p, hintlite_output o, int32_t c,
                       const four_sums *sums, int8_t *out) {
  const mve_pred16_t lanes = vctp32q((uint32_t)(p->out_c - c));
  int32x4_t multiplier = vdupq_n_s32(p->multiplier[0]), shift = vdupq_n_s32(p->shift[0]);
  if (p->channel_step != 0) {
    multiplier = vldrwq_z_s32(p->multiplier + c, lanes);
    shift = vldrbq_z_s32(p->shift + c, lanes);
  }
  const int32x4_t sum = vaddq_s32(vldrwq_s32(sums->acc), vldrwq_z_s32(p->bias + c, lanes));
  const int32x4_t value = vaddq_n_s32(hintlite_mve_rescale(sum, multiplier, shift), o.zero);
  vstrbq_p_s32(out + c, hintlite_mve_clamp(value, o.least, o.most), lanes);
}
#else
static void store_four(const hintlite_dense_params *p, hintlite_output o, int32_t c,
                       const four_sums *sums, int8_t *out) {
  for (int32_t i = 0; i < 4 && c + i < p->out_c; ++i) {
    const uint32_t sum = (uint32_t)sums->acc[i] + (uint32_t)p->bias[c + i];
    const int32_t k = (c + i) * p->channel_step;
    out[c + i] = hintlite_finish((int32_t)sum, p->multiplier[k], p->shift[k], o);
  }
}
#endif

static void multiply(const hintlite_dense_params *p, const int8_t *in, int8_t *out) {
  const hintlite_output o = {p->out_zero, p->out_min, p->out_max};
  const int32_t out_c = p->out_c, length = p->row_length;
  const int8_t *first = p->weights;
  for (int32_t c = 0; c < out_c; c += 4) {
    const four_rows w = rows_at(p, first, out_c - c);
    const four_sums sums = dot_four(w, in, length);
    store_four(p, o, c, &sums, out);
    first = w.w3 + p->row_bytes;
  }
}

void hintlite_dense(const hintlite_dense_params *p, const int8_t *in, int8_t *out) {
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    multiply(p, in, out);
    in += p->row_length;
    out += p->out_c;
  }
}
