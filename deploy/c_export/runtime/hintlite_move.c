#include <string.h>

#include "hintlite_kernels.h"

static void copy_row(const int8_t *in, int32_t stride, int32_t length, int8_t *out) {
  if (stride == 1) {
    (void)memcpy(out, in, (size_t)length);
    return;
  }
  for (int32_t i = 0; i < length; ++i) {
    out[i] = *in;
    in += stride;
  }
}

static void copy_rows(const int32_t *shape, const int32_t *stride, const int32_t *out_stride,
                      const int8_t *in, int8_t *out) {
  for (int32_t i = 0; i < shape[0]; ++i) {
    for (int32_t j = 0; j < shape[1]; ++j) {
      const int8_t *from = in + i * stride[0] + j * stride[1];
      int8_t *to = out + i * out_stride[0] + j * out_stride[1];
      for (int32_t k = 0; k < shape[2]; ++k) {
        copy_row(from, stride[3], shape[3], to);
        from += stride[2];
        to += out_stride[2];
      }
    }
  }
}

void hintlite_move(const hintlite_move_params *p, const int8_t *in, int8_t *out) {
  copy_rows(p->shape, p->stride, p->out_stride, in, out);
}

void hintlite_pad(const hintlite_pad_params *p, const int8_t *in, int8_t *out) {
  (void)memset(out, p->value, (size_t)p->out_length);
  copy_rows(p->shape, p->stride, p->out_stride, in, out + p->out_start);
}
