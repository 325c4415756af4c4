/* DEPTHWISE_CONV_2D: the kernel is cut at the edges of the image, channels are the inner loop. */
#include "hintlite_matmul.h"

/* The taps that lie in the image, and their first input and weight. */
typedef struct {
  const int8_t *in;
  const int8_t *weights;
  int32_t rows, columns;
  int32_t in_step, in_row, weight_row; /* from one tap to the next, and to the next row */
} taps;

/* First tap inside, for a kernel that starts at `start` with steps of `dilation`. */
static int32_t first_inside(int32_t start, int32_t dilation) {
  return start < 0 ? (dilation - 1 - start) / dilation : 0;
}

static int32_t taps_inside(int32_t start, int32_t dilation, int32_t taps_all, int32_t size) {
  const int32_t fit = start < size ? (size - 1 - start) / dilation + 1 : 0;
  return fit < taps_all ? fit : taps_all;
}

static taps taps_at(const hintlite_depthwise_params *p, const int8_t *image, int32_t y,
                    int32_t x) {
  const int32_t top = y * p->stride_h - p->pad_top;
  const int32_t left = x * p->stride_w - p->pad_left;
  const int32_t ky = first_inside(top, p->dilation_h);
  const int32_t kx = first_inside(left, p->dilation_w);
  const int32_t out_c = p->in_c * p->times;
  const int32_t in_y = top + ky * p->dilation_h, in_x = left + kx * p->dilation_w;
  taps cut;
  cut.in = image + (in_y * p->in_w + in_x) * p->in_c;
  cut.weights = p->weights + (ky * p->kernel_w + kx) * out_c;
  cut.rows = taps_inside(top, p->dilation_h, p->kernel_h, p->in_h) - ky;
  cut.columns = taps_inside(left, p->dilation_w, p->kernel_w, p->in_w) - kx;
  cut.in_step = p->dilation_w * p->in_c;
  cut.in_row = p->dilation_h * p->in_w * p->in_c;
  cut.weight_row = p->kernel_w * out_c;
  return cut;
}

static hintlite_output output_of(const hintlite_depthwise_params *p) {
  return (hintlite_output){p->out_zero, p->out_min, p->out_max};
}

static void channel_at(const hintlite_depthwise_params *p, const taps *cut, int32_t in_channel,
                       int32_t channel, int8_t *out) {
  const int32_t out_c = p->in_c * p->times;
  uint32_t sum = (uint32_t)p->bias[channel];
  for (int32_t ky = 0; ky < cut->rows; ++ky) {
    const int8_t *value = cut->in + ky * cut->in_row + in_channel;
    const int8_t *weight = cut->weights + ky * cut->weight_row + channel;
    for (int32_t kx = 0; kx < cut->columns; ++kx) {
      sum += (uint32_t)((*value - p->in_zero) * *weight);
      value += cut->in_step;
      weight += out_c;
    }
  }
  const int32_t i = channel * p->channel_step;
  out[channel] = hintlite_finish((int32_t)sum, p->multiplier[i], p->shift[i], output_of(p));
}

#if defined(HINTLITE_MVE)
/* As many channels as go in fours. */
static int32_t quads_at(const hintlite_depthwise_params *p, const taps *cut, int8_t *out) {
  const hintlite_output o = output_of(p);
  const int32_t in_c = p->in_c, columns = cut->columns, in_step = cut->in_step;
  const int32_t zero = p->in_zero;
  int32x4_t multiplier = vdupq_n_s32(p->multiplier[0]);
  int32x4_t shift = vdupq_n_s32(p->shift[0]);
  int32_t c = 0;
  for (; c + 4 <= in_c; c += 4) {
    int32x4_t sums = vldrwq_s32(p->bias + c);
    for (int32_t ky = 0; ky < cut->rows; ++ky) {
      const int8_t *value = cut->in + ky * cut->in_row + c;
      const int8_t *weight = cut->weights + ky * cut->weight_row + c;
      for (int32_t kx = columns; kx > 0; --kx) {
        const int32x4_t x = vsubq_n_s32(vldrbq_s32(value), zero);
        sums = vaddq_s32(sums, vmulq_s32(x, vldrbq_s32(weight)));
        value += in_step;
        weight += in_c;
      }
    }
    if (p->channel_step != 0) {
      multiplier = vldrwq_s32(p->multiplier + c);
      shift = vldrbq_s32(p->shift + c);
    }
    const int32x4_t value = vaddq_n_s32(hintlite_mve_rescale(sums, multiplier, shift), o.zero);
    vstrbq_s32(out + c, hintlite_mve_clamp(value, o.least, o.most));
  }
  return c;
}
#elif defined(HINTLITE_DSP)
/* As many channels as go in fours; SXTAB16 subtracts the zero point while it widens. */
static int32_t quads_at(const hintlite_depthwise_params *p, const taps *cut, int8_t *out) {
  const hintlite_quad_output o = hintlite_quads(output_of(p));
  const uint32_t minus_zero = (uint32_t)-p->in_zero & 0xFFFFU;
  const int16x2_t offset = (int16x2_t)(minus_zero | (minus_zero << 16));
  const int32_t in_c = p->in_c, columns = cut->columns, in_step = cut->in_step;
  const int32_t step = p->channel_step;
  int32_t c = 0;
  for (; c + 4 <= in_c; c += 4) {
    int32_t s0 = p->bias[c], s1 = p->bias[c + 1], s2 = p->bias[c + 2], s3 = p->bias[c + 3];
    for (int32_t ky = 0; ky < cut->rows; ++ky) {
      const int8_t *value = cut->in + ky * cut->in_row + c;
      const int8_t *weight = cut->weights + ky * cut->weight_row + c;
      for (int32_t kx = columns; kx > 0; --kx) {
        const uint32_t x = hintlite_word(value), w = hintlite_word(weight);
        const int16x2_t x_even = hintlite_even_plus(offset, x);
        const int16x2_t x_odd = hintlite_odd_plus(offset, x);
        const int16x2_t w_even = hintlite_even(w), w_odd = hintlite_odd(w);
        s0 = __smlabb(x_even, w_even, s0);
        s1 = __smlabb(x_odd, w_odd, s1);
        s2 = __smlatt(x_even, w_even, s2);
        s3 = __smlatt(x_odd, w_odd, s3);
        value += in_step;
        weight += in_c;
      }
    }
    const int32_t *multiplier = p->multiplier + c * step;
    const int8_t *shift = p->shift + c * step;
    const uint32_t outputs =
        hintlite_finish_four(hintlite_rescale(s0, multiplier[0], shift[0]),
                             hintlite_rescale(s1, multiplier[step], shift[step]),
                             hintlite_rescale(s2, multiplier[2 * step], shift[2 * step]),
                             hintlite_rescale(s3, multiplier[3 * step], shift[3 * step]), o);
    (void)memcpy(out + c, &outputs, sizeof outputs);
  }
  return c;
}
#else
static int32_t quads_at(const hintlite_depthwise_params *p, const taps *cut, int8_t *out) {
  (void)p;
  (void)cut;
  (void)out;
  return 0;
}
#endif

void hintlite_depthwise(const hintlite_depthwise_params *p, const int8_t *in, int8_t *out) {
  for (int32_t batch = 0; batch < p->batches; ++batch) {
    for (int32_t y = 0; y < p->out_h; ++y) {
      for (int32_t x = 0; x < p->out_w; ++x) {
        const taps cut = taps_at(p, in, y, x);
        int32_t c = p->times == 1 ? quads_at(p, &cut, out) : 0;
        for (; c < p->in_c; ++c) {
          for (int32_t t = 0; t < p->times; ++t) {
            channel_at(p, &cut, c, c * p->times + t, out);
          }
        }
        out += p->in_c * p->times;
      }
    }
    in += p->in_h * p->in_w * p->in_c;
  }
}
