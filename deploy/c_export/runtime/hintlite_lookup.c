#include "hintlite_kernels.h"

void hintlite_lookup(const hintlite_lookup_params *p, const int8_t *in, int8_t *out) {
  const int8_t *middle = p->table + 128;
  for (int32_t i = 0; i < p->length; ++i) {
    out[i] = middle[in[i]];
  }
}
