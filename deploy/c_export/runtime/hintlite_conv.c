/* CONV_2D: two columns of inputs at a time, every output channel of both. */
#include "hintlite_column.h"
#include "hintlite_matmul.h"

#if defined(HINTLITE_MVE)
/* Inlined by force: the same registers then serve every block of channels. */
#define INLINE static inline __attribute__((always_inline))

/* Four rows of weights; past the last row the last again, whose lanes are not stored. */
typedef struct {
  const int8_t *w0, *w1, *w2, *w3;
} rows;

INLINE rows rows_at(const int8_t *first, int32_t row_bytes, int32_t left) {
  const int8_t *w1 = left > 1 ? first + row_bytes : first;
  const int8_t *w2 = left > 2 ? w1 + row_bytes : w1;
  return (rows){first, w1, w2, left > 3 ? w2 + row_bytes : w2};
}

INLINE void store_lanes(int32x4_t sums, int32x4_t multiplier, int32x4_t shift, hintlite_output o,
                        int8_t *out, mve_pred16_t lanes) {
  const int32x4_t value = vaddq_n_s32(hintlite_mve_rescale(sums, multiplier, shift), o.zero);
  vstrbq_p_s32(out, hintlite_mve_clamp(value, o.least, o.most), lanes);
}

INLINE void store_four(const hintlite_conv_params *p, hintlite_output o, int32_t c, int32x4_t sums_a,
                       int32x4_t sums_b, int8_t *out_a, int8_t *out_b) {
  const mve_pred16_t lanes = vctp32q((uint32_t)(p->out_c - c));
  const int32x4_t bias = vldrwq_z_s32(p->bias + c, lanes);
  int32x4_t multiplier, shift;
  if (p->channel_step != 0) {
    multiplier = vldrwq_z_s32(p->multiplier + c, lanes);
    shift = vldrbq_z_s32(p->shift + c, lanes);
  } else {
    multiplier = vdupq_n_s32(p->multiplier[0]);
    shift = vdupq_n_s32(p->shift[0]);
  }
  store_lanes(vaddq_s32(sums_a, bias), multiplier, shift, o, out_a + c, lanes);
  store_lanes(vaddq_s32(sums_b, bias), multiplier, shift, o, out_b + c, lanes);
}

/* Columns of at most 16 values stay in registers for all rows. */
static void multiply_short(const hintlite_conv_params *p, const int8_t *a, const int8_t *b,
                           int8_t *out_a, int8_t *out_b) {
  const hintlite_output o = {p->out_zero, p->out_min, p->out_max};
  const mve_pred16_t lanes = vctp8q((uint32_t)p->row_length);
  const int8x16_t in_a = vldrbq_z_s8(a, lanes), in_b = vldrbq_z_s8(b, lanes);
  const int32_t row_bytes = p->row_bytes, out_c = p->out_c;
  const int8_t *first = p->weights;
  for (int32_t c = 0; c < out_c; c += 4) {
    const rows w = rows_at(first, row_bytes, out_c - c);
    const int8x16_t x0 = vldrbq_z_s8(w.w0, lanes), x1 = vldrbq_z_s8(w.w1, lanes);
    const int8x16_t x2 = vldrbq_z_s8(w.w2, lanes), x3 = vldrbq_z_s8(w.w3, lanes);
    const int32x4_t sums_a = {vmladavq_s8(x0, in_a), vmladavq_s8(x1, in_a), vmladavq_s8(x2, in_a),
                              vmladavq_s8(x3, in_a)};
    const int32x4_t sums_b = {vmladavq_s8(x0, in_b), vmladavq_s8(x1, in_b), vmladavq_s8(x2, in_b),
                              vmladavq_s8(x3, in_b)};
    store_four(p, o, c, sums_a, sums_b, out_a, out_b);
    first = w.w3 + row_bytes;
  }
}

/* All channels of the outputs at columns a and b, four channels at a time. */
static void multiply_long(const hintlite_conv_params *p, const int8_t *a, const int8_t *b,
                          int8_t *out_a, int8_t *out_b) {
  const hintlite_output o = {p->out_zero, p->out_min, p->out_max};
  const int32_t row_bytes = p->row_bytes, length = p->row_length, out_c = p->out_c;
  const int8_t *first = p->weights;
  for (int32_t c = 0; c < out_c; c += 4) {
    const rows w = rows_at(first, row_bytes, out_c - c);
    const hintlite_sums low = hintlite_dot(w.w0, w.w1, a, b, length);
    const hintlite_sums high = hintlite_dot(w.w2, w.w3, a, b, length);
    const int32x4_t sums_a = {low.acc[0], low.acc[1], high.acc[0], high.acc[1]};
    const int32x4_t sums_b = {low.acc[2], low.acc[3], high.acc[2], high.acc[3]};
    store_four(p, o, c, sums_a, sums_b, out_a, out_b);
    first = w.w3 + row_bytes;
  }
}

static void multiply(const hintlite_conv_params *p, const int8_t *a, const int8_t *b,
                     int8_t *out_a, int8_t *out_b) {
  if (p->row_length <= 16) {
    multiply_short(p, a, b, out_a, out_b);
  } else {
    multiply_long(p, a, b, out_a, out_b);
  }
}
#elif defined(HINTLITE_DSP)
/* All channels of the outputs at both columns, two channels at a time. */
static void multiply(const hintlite_conv_params *p, const uint32_t *columns, int8_t *out_a,
                     int8_t *out_b) {
  const hintlite_output o = {p->out_zero, p->out_min, p->out_max};
  const int32_t *multiplier = p->multiplier;
  const int8_t *shift = p->shift;
  const int32_t step = p->channel_step, row_bytes = p->row_bytes, out_c = p->out_c;
  const int8_t *w0 = p->weights;
  for (int32_t c0 = 0; c0 < out_c; c0 += 2) {
    /* An odd last channel is computed twice rather than in a loop of its own. */
    const int32_t c1 = c0 + 1 < out_c ? c0 + 1 : c0;
    const int8_t *w1 = c1 > c0 ? w0 + row_bytes : w0;
    const int32_t bias[2] = {p->bias[c0], p->bias[c1]};
    const hintlite_sums sums = hintlite_dot(w0, w1, columns, row_bytes, bias);
    const int32_t factor0 = multiplier[c0 * step], shift0 = shift[c0 * step];
    const int32_t factor1 = multiplier[c1 * step], shift1 = shift[c1 * step];
    out_a[c0] = hintlite_finish(sums.acc[0], factor0, shift0, o);
    out_b[c0] = hintlite_finish(sums.acc[2], factor0, shift0, o);
    out_a[c1] = hintlite_finish(sums.acc[1], factor1, shift1, o);
    out_b[c1] = hintlite_finish(sums.acc[3], factor1, shift1, o);
    w0 = w1 + row_bytes;
  }
}
#else
/* All channels of the outputs at columns a and b, two channels at a time. */
static void multiply(const hintlite_conv_params *p, const int8_t *a, const int8_t *b,
                     int8_t *out_a, int8_t *out_b) {
  const hintlite_output o = {p->out_zero, p->out_min, p->out_max};
  const int32_t step = p->channel_step, row_bytes = p->row_bytes, out_c = p->out_c;
  const int8_t *w0 = p->weights;
  for (int32_t c0 = 0; c0 < out_c; c0 += 2) {
    /* An odd last channel is computed twice rather than in a loop of its own. */
    const int32_t c1 = c0 + 1 < out_c ? c0 + 1 : c0;
    const int8_t *w1 = c1 > c0 ? w0 + row_bytes : w0;
    const int32_t bias[2] = {p->bias[c0], p->bias[c1]};
    hintlite_sums sums = hintlite_dot(w0, w1, a, b, p->row_length);
    for (int32_t i = 0; i < 4; ++i) {
      sums.acc[i] = (int32_t)((uint32_t)sums.acc[i] + (uint32_t)bias[i & 1]);
    }
    const int32_t factor0 = p->multiplier[c0 * step], shift0 = p->shift[c0 * step];
    const int32_t factor1 = p->multiplier[c1 * step], shift1 = p->shift[c1 * step];
    out_a[c0] = hintlite_finish(sums.acc[0], factor0, shift0, o);
    out_b[c0] = hintlite_finish(sums.acc[2], factor0, shift0, o);
    out_a[c1] = hintlite_finish(sums.acc[1], factor1, shift1, o);
    out_b[c1] = hintlite_finish(sums.acc[3], factor1, shift1, o);
    w0 = w1 + row_bytes;
  }
}
#endif

#if defined(HINTLITE_DSP)
/* Column k of the two in `scratch`; channels that are not in fours go through bytes behind them. */
static void gather_column(const hintlite_conv_params *p, const int8_t *image, int32_t y, int32_t x,
                          void *scratch, int32_t k) {
  uint32_t *group = (uint32_t *)scratch + 2 * k;
  if ((p->in_c & 3) == 0) {
    gather(p, image, y, x, (cursor){NULL, group});
  } else {
    int8_t *bytes = (int8_t *)scratch + 4 * p->row_bytes;
    for (int32_t i = p->row_length; i < p->row_bytes; ++i) {
      bytes[i] = 0;
    }
    gather(p, image, y, x, (cursor){bytes, NULL});
    (void)widen(group, bytes, p->row_bytes);
  }
}

static void multiply_gathered(const hintlite_conv_params *p, const void *scratch, int8_t *out_a,
                              int8_t *out_b) {
  multiply(p, (const uint32_t *)scratch, out_a, out_b);
}
#else
static void gather_column(const hintlite_conv_params *p, const int8_t *image, int32_t y, int32_t x,
                          void *scratch, int32_t k) {
  gather(p, image, y, x, (cursor){(int8_t *)scratch + k * p->row_bytes});
}

static void multiply_gathered(const hintlite_conv_params *p, const void *scratch, int8_t *out_a,
                              int8_t *out_b) {
  const int8_t *columns = (const int8_t *)scratch;
  multiply(p, columns, columns + p->row_bytes, out_a, out_b);
}

/* True where a column is the input itself: a 1x1 kernel in steps of one. */
static int is_pointwise(const hintlite_conv_params *p) {
  return p->row_length == p->in_c && p->stride_h == 1 && p->stride_w == 1 &&
         p->out_h == p->in_h && p->out_w == p->in_w;
}

static void pointwise(const hintlite_conv_params *p, const int8_t *in, int8_t *out) {
  const int32_t pixels = p->batches * p->out_h * p->out_w;
  for (int32_t i = 0; i < pixels; i += 2) {
    const int32_t next = i + 1 < pixels ? 1 : 0; /* an odd last pixel is computed twice */
    multiply(p, in, in + next * p->in_c, out, out + next * p->out_c);
    in += 2 * p->in_c;
    out += 2 * p->out_c;
  }
}
#endif

static void convolve(const hintlite_conv_params *p, const int8_t *image, int8_t *out,
                     void *scratch) {
  int32_t pending = 0;
  for (int32_t y = 0; y < p->out_h; ++y) {
    for (int32_t x = 0; x < p->out_w; ++x) {
      gather_column(p, image, y, x, scratch, pending);
      if (++pending == 2) {
        multiply_gathered(p, scratch, out, out + p->out_c);
        out += 2 * p->out_c;
        pending = 0;
      }
    }
  }
  if (pending != 0) {
    /* An odd last pixel is computed twice rather than by kernels of one column. */
    gather_column(p, image, p->out_h - 1, p->out_w - 1, scratch, 1);
    multiply_gathered(p, scratch, out, out);
  }
}

void hintlite_conv(const hintlite_conv_params *p, const int8_t *in, int8_t *out, void *scratch) {
#if !defined(HINTLITE_DSP)
  if (is_pointwise(p)) {
    pointwise(p, in, out);
    return;
  }
#endif
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    convolve(p, in, out, scratch);
    in += p->in_h * p->in_w * p->in_c;
    out += p->out_h * p->out_w * p->out_c;
  }
}
