/* The inputs under a convolution's kernel as one column, padding put in: inner loops know no edges. */
#ifndef HINTLITE_COLUMN_H
#define HINTLITE_COLUMN_H

#include <string.h>

#include "hintlite_kernels.h"

#if defined(HINTLITE_MVE)
#include <arm_mve.h>
#elif defined(HINTLITE_DSP)
#include "hintlite_dsp.h"
#endif

/* A column that is being written. */
#if defined(HINTLITE_DSP)
/* Either plain bytes, or halfwords in groups of eight: four of one column, in the order 0, 2, 1, 3,
 * and four of the other (see hintlite_matmul.h). Groups are for channels in fours: every run of
 * inputs then fills whole groups. */
typedef struct {
  int8_t *next;
  uint32_t *group; /* NULL for bytes */
} cursor;

static void fill(cursor *c, int32_t value, int32_t length) {
  if (c->group == NULL) {
    (void)memset(c->next, value, (size_t)length);
    c->next += length;
    return;
  }
  const uint32_t half = (uint32_t)value & 0xFFFFU;
  const uint32_t pair = half | (half << 16);
  for (; length > 0; length -= 4) {
    c->group[0] = pair;
    c->group[1] = pair;
    c->group += 4;
  }
}

/* Bytes to halfwords, `length` a multiple of four. */
static uint32_t *widen(uint32_t *group, const int8_t *in, int32_t length) {
  for (; length > 0; length -= 4) {
    const uint32_t word = hintlite_word(in);
    group[0] = (uint32_t)hintlite_even(word);
    group[1] = (uint32_t)hintlite_odd(word);
    group += 4;
    in += 4;
  }
  return group;
}

static void copy(cursor *c, const int8_t *in, int32_t length) {
  if (c->group != NULL) {
    c->group = widen(c->group, in, length);
    return;
  }
  int8_t *next = c->next;
  c->next += length;
  for (; length >= 4; length -= 4) {
    const uint32_t word = hintlite_word(in);
    (void)memcpy(next, &word, sizeof word);
    in += 4;
    next += 4;
  }
  while (length > 0) {
    --length;
    next[length] = in[length];
  }
}
#else
typedef struct {
  int8_t *next;
} cursor;

#if defined(HINTLITE_MVE)
static void fill(cursor *c, int32_t value, int32_t length) {
  const int8x16_t values = vdupq_n_s8((int8_t)value);
  for (int32_t i = 0; i < length; i += 16) {
    vstrbq_p_s8(c->next + i, values, vctp8q((uint32_t)(length - i)));
  }
  c->next += length;
}

static void copy(cursor *c, const int8_t *in, int32_t length) {
  int8_t *next = c->next;
  c->next += length;
  for (; length >= 16; length -= 16) {
    vstrbq_s8(next, vldrbq_s8(in));
    in += 16;
    next += 16;
  }
  if (length > 0) {
    const mve_pred16_t lanes = vctp8q((uint32_t)length);
    vstrbq_p_s8(next, vldrbq_z_s8(in, lanes), lanes);
  }
}
#else
static void fill(cursor *c, int32_t value, int32_t length) {
  (void)memset(c->next, value, (size_t)length);
  c->next += length;
}

static void copy(cursor *c, const int8_t *in, int32_t length) {
  (void)memcpy(c->next, in, (size_t)length);
  c->next += length;
}
#endif
#endif

/* One row of the kernel where the image's edge cuts it or taps are apart; taps from in_x on. */
static void gather_row(const hintlite_conv_params *p, const int8_t *row, int32_t in_x,
                       cursor *column) {
  const int32_t run = p->dilation_w == 1 ? p->kernel_w : 1; /* taps that are neighbours in memory */
  for (int32_t kx = 0; kx < p->kernel_w; kx += run) {
    const int32_t first = in_x < 0 ? (-in_x < run ? -in_x : run) : 0;
    const int32_t rest = p->in_w - in_x;
    const int32_t last = rest < run ? (rest < first ? first : rest) : run;
    fill(column, p->in_zero, first * p->in_c);
    copy(column, row + (in_x + first) * p->in_c, (last - first) * p->in_c);
    fill(column, p->in_zero, (run - last) * p->in_c);
    in_x += p->dilation_w;
  }
}

/* The inputs under the kernel at output (y, x), row by row, padding as the zero point. */
static void gather(const hintlite_conv_params *p, const int8_t *image, int32_t y, int32_t x,
                   cursor column) {
  const int32_t in_x = x * p->stride_w - p->pad_left;
  const int32_t whole = p->dilation_w == 1 && in_x >= 0 && in_x + p->kernel_w <= p->in_w;
  const int32_t in_h = p->in_h, dilation_h = p->dilation_h;
  const int32_t length = p->kernel_w * p->in_c, row_bytes = p->in_w * p->in_c;
  const int32_t start = in_x * p->in_c;
  int32_t in_y = y * p->stride_h - p->pad_top;
  for (int32_t ky = p->kernel_h; ky > 0; --ky) {
    if (in_y < 0 || in_y >= in_h) {
      fill(&column, p->in_zero, length);
    } else if (whole) {
      copy(&column, image + (in_y * row_bytes + start), length);
    } else {
      gather_row(p, image + in_y * row_bytes, in_x, &column);
    }
    in_y += dilation_h;
  }
}

#endif
