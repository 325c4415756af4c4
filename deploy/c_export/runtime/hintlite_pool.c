#include "hintlite_arith.h"
#include "hintlite_lanes.h"

/* The part of a window that lies in the image, and the place of its first value. */
typedef struct {
  const int8_t *first;
  int32_t rows, columns;
} window;

static window window_at(const hintlite_pool_params *p, const int8_t *image, int32_t y, int32_t x) {
  const int32_t top = y * p->stride_h - p->pad_top;
  const int32_t left = x * p->stride_w - p->pad_left;
  const int32_t y0 = top < 0 ? 0 : top;
  const int32_t x0 = left < 0 ? 0 : left;
  const int32_t y1 = top + p->kernel_h < p->in_h ? top + p->kernel_h : p->in_h;
  const int32_t x1 = left + p->kernel_w < p->in_w ? left + p->kernel_w : p->in_w;
  window cut;
  cut.first = image + (y0 * p->in_w + x0) * p->channels;
  cut.rows = y1 - y0;
  cut.columns = x1 - x0;
  return cut;
}

static void average_at(const hintlite_pool_params *p, window cut, int8_t *out) {
  const int32_t count = cut.rows * cut.columns;
  for (int32_t c = 0; c < p->channels; ++c) {
    int32_t sum = 0;
    for (int32_t y = 0; y < cut.rows; ++y) {
      const int8_t *value = cut.first + y * p->in_w * p->channels + c;
      for (int32_t x = 0; x < cut.columns; ++x) {
        sum += *value;
        value += p->channels;
      }
    }
    sum = sum > 0 ? (sum + count / 2) / count : (sum - count / 2) / count;
    out[c] = (int8_t)hintlite_clamp(sum, p->out_min, p->out_max);
  }
}

static int32_t max_of(const hintlite_pool_params *p, window cut, int32_t c) {
  int32_t most = INT8_MIN;
  for (int32_t y = 0; y < cut.rows; ++y) {
    const int8_t *value = cut.first + y * p->in_w * p->channels + c;
    for (int32_t x = 0; x < cut.columns; ++x) {
      most = *value > most ? *value : most;
      value += p->channels;
    }
  }
  return most;
}

/* The same for as many channels as the kernels take at once. */
static hintlite_lanes max_lanes(const hintlite_pool_params *p, window cut, int32_t c) {
  const int32_t channels = p->channels, row = p->in_w * channels;
  hintlite_lanes most = hintlite_repeat(INT8_MIN);
  for (int32_t y = 0; y < cut.rows; ++y) {
    const int8_t *value = cut.first + y * row + c;
    for (int32_t x = cut.columns; x > 0; --x) {
      most = hintlite_max(most, hintlite_load(value));
      value += channels;
    }
  }
  return most;
}

#if defined(HINTLITE_MVE)
/* The last channels, fewer than 16. */
static void max_rest(const hintlite_pool_params *p, window cut, int32_t c, int8_t *out) {
  const mve_pred16_t lanes = vctp8q((uint32_t)(p->channels - c));
  int8x16_t most = vdupq_n_s8(p->out_min);
  for (int32_t y = 0; y < cut.rows; ++y) {
    const int8_t *value = cut.first + y * p->in_w * p->channels + c;
    for (int32_t x = cut.columns; x > 0; --x) {
      most = vmaxq_s8(most, vldrbq_z_s8(value, lanes));
      value += p->channels;
    }
  }
  vstrbq_p_s8(out + c, vminq_s8(most, vdupq_n_s8(p->out_max)), lanes);
}
#endif

static void max_at(const hintlite_pool_params *p, window cut, int8_t *out) {
  const int8_t out_min = p->out_min, out_max = p->out_max;
  const int32_t channels = p->channels;
  int32_t c = 0;
  for (; c + HINTLITE_LANES <= channels; c += HINTLITE_LANES) {
    const hintlite_lanes most = hintlite_max(max_lanes(p, cut, c), hintlite_repeat(out_min));
    hintlite_store(out + c, hintlite_min(most, hintlite_repeat(out_max)));
  }
#if defined(HINTLITE_MVE)
  if (c < channels) {
    max_rest(p, cut, c, out);
    c = channels;
  }
#endif
  for (; c < channels; ++c) {
    out[c] = (int8_t)hintlite_clamp(max_of(p, cut, c), out_min, out_max);
  }
}

void hintlite_average_pool(const hintlite_pool_params *p, const int8_t *in, int8_t *out) {
  for (int32_t b = 0; b < p->batches; ++b) {
    const int8_t *image = in + b * p->in_h * p->in_w * p->channels;
    for (int32_t y = 0; y < p->out_h; ++y) {
      for (int32_t x = 0; x < p->out_w; ++x) {
        average_at(p, window_at(p, image, y, x), out);
        out += p->channels;
      }
    }
  }
}

void hintlite_max_pool(const hintlite_pool_params *p, const int8_t *in, int8_t *out) {
  for (int32_t b = 0; b < p->batches; ++b) {
    const int8_t *image = in + b * p->in_h * p->in_w * p->channels;
    for (int32_t y = 0; y < p->out_h; ++y) {
      for (int32_t x = 0; x < p->out_w; ++x) {
        max_at(p, window_at(p, image, y, x), out);
        out += p->channels;
      }
    }
  }
}
