/* The walk over two operands with broadcasting, shared by the kernels of two inputs. */
#ifndef HINTLITE_BINARY_H
#define HINTLITE_BINARY_H

#include "hintlite_kernels.h"

/* Defines `void name(p, a, b, out)` that calls row(p, a, b, out) for each innermost row. */
#define HINTLITE_DEFINE_BINARY(name, row)                                                      \
  void name(const hintlite_binary_params *p, const int8_t *a, const int8_t *b, int8_t *out) {  \
    for (int32_t i = 0; i < p->shape[0]; ++i) {                                                \
      for (int32_t j = 0; j < p->shape[1]; ++j) {                                              \
        const int8_t *row_a = a + i * p->stride_a[0] + j * p->stride_a[1];                     \
        const int8_t *row_b = b + i * p->stride_b[0] + j * p->stride_b[1];                     \
        for (int32_t k = 0; k < p->shape[2]; ++k) {                                            \
          row(p, row_a, row_b, out);                                                           \
          row_a += p->stride_a[2];                                                             \
          row_b += p->stride_b[2];                                                             \
          out += p->shape[3];                                                                  \
        }                                                                                      \
      }                                                                                        \
    }                                                                                          \
  }

#endif
