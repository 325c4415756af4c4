/* MAXIMUM and MINIMUM of two operands: the numbers as they are, no scales. */
#include "hintlite_binary.h"
#include "hintlite_lanes.h"

/* How many values of a row went in whole words or vectors: none if an operand is repeated. */
static int32_t dense_length(const hintlite_binary_params *p) {
  return p->stride_a[3] == 1 && p->stride_b[3] == 1 ? p->shape[3] : 0;
}

static void maximum_row(const hintlite_binary_params *p, const int8_t *a, const int8_t *b,
                        int8_t *out) {
  int32_t i = 0;
  for (const int32_t dense = dense_length(p); i + HINTLITE_LANES <= dense; i += HINTLITE_LANES) {
    hintlite_store(out + i, hintlite_max(hintlite_load(a + i), hintlite_load(b + i)));
  }
  const int32_t step_a = p->stride_a[3], step_b = p->stride_b[3], length = p->shape[3];
  a += i * step_a;
  b += i * step_b;
  for (; i < length; ++i) {
    out[i] = *a > *b ? *a : *b;
    a += step_a;
    b += step_b;
  }
}

static void minimum_row(const hintlite_binary_params *p, const int8_t *a, const int8_t *b,
                        int8_t *out) {
  int32_t i = 0;
  for (const int32_t dense = dense_length(p); i + HINTLITE_LANES <= dense; i += HINTLITE_LANES) {
    hintlite_store(out + i, hintlite_min(hintlite_load(a + i), hintlite_load(b + i)));
  }
  const int32_t step_a = p->stride_a[3], step_b = p->stride_b[3], length = p->shape[3];
  a += i * step_a;
  b += i * step_b;
  for (; i < length; ++i) {
    out[i] = *a < *b ? *a : *b;
    a += step_a;
    b += step_b;
  }
}

HINTLITE_DEFINE_BINARY(hintlite_maximum, maximum_row)
HINTLITE_DEFINE_BINARY(hintlite_minimum, minimum_row)
