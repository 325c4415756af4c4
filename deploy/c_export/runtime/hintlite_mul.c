#include "hintlite_arith.h"
#include "hintlite_binary.h"

static void mul_row(const hintlite_binary_params *p, const int8_t *a, const int8_t *b,
                    int8_t *out) {
  for (int32_t i = 0; i < p->shape[3]; ++i) {
    const int32_t product = (*a - p->zero_a) * (*b - p->zero_b);
    const int32_t result = hintlite_rescale(product, p->multiplier_out, p->shift_out) + p->out_zero;
    out[i] = (int8_t)hintlite_clamp(result, p->out_min, p->out_max);
    a += p->stride_a[3];
    b += p->stride_b[3];
  }
}

HINTLITE_DEFINE_BINARY(hintlite_mul, mul_row)
