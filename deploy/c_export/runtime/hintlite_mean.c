#include "hintlite_arith.h"
#include "hintlite_kernels.h"

static int32_t sum_of(const hintlite_mean_params *p, const int8_t *in) {
  const int32_t *shape = p->reduced_shape;
  const int32_t *stride = p->reduced_stride;
  int32_t sum = p->offset;
  for (int32_t i = 0; i < shape[0]; ++i) {
    for (int32_t j = 0; j < shape[1]; ++j) {
      for (int32_t k = 0; k < shape[2]; ++k) {
        const int8_t *value = in + i * stride[0] + j * stride[1] + k * stride[2];
        for (int32_t l = 0; l < shape[3]; ++l) {
          sum += *value;
          value += stride[3];
        }
      }
    }
  }
  return sum;
}

void hintlite_mean(const hintlite_mean_params *p, const int8_t *in, int8_t *out) {
  for (int32_t i = 0; i < p->shape[0]; ++i) {
    for (int32_t j = 0; j < p->shape[1]; ++j) {
      for (int32_t k = 0; k < p->shape[2]; ++k) {
        const int8_t *first = in + i * p->stride[0] + j * p->stride[1] + k * p->stride[2];
        for (int32_t l = 0; l < p->shape[3]; ++l) {
          const int32_t mean = hintlite_rescale(sum_of(p, first), p->multiplier, p->shift);
          *out++ = (int8_t)hintlite_clamp(mean + p->out_zero, INT8_MIN, INT8_MAX);
          first += p->stride[3];
        }
      }
    }
  }
}
