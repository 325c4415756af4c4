/* Several int8 at once, as many as the set of kernels compares in one instruction. */
#ifndef HINTLITE_LANES_H
#define HINTLITE_LANES_H

#include "hintlite_kernels.h"

#if defined(HINTLITE_MVE)
#include <arm_mve.h>
#define HINTLITE_LANES 16
typedef int8x16_t hintlite_lanes;

static inline hintlite_lanes hintlite_load(const int8_t *in) { return vldrbq_s8(in); }
static inline void hintlite_store(int8_t *out, hintlite_lanes lanes) { vstrbq_s8(out, lanes); }
static inline hintlite_lanes hintlite_repeat(int8_t value) { return vdupq_n_s8(value); }
static inline hintlite_lanes hintlite_max(hintlite_lanes a, hintlite_lanes b) {
  return vmaxq_s8(a, b);
}
static inline hintlite_lanes hintlite_min(hintlite_lanes a, hintlite_lanes b) {
  return vminq_s8(a, b);
}

#elif defined(HINTLITE_DSP)
#include "hintlite_dsp.h"
#define HINTLITE_LANES 4
typedef uint32_t hintlite_lanes;

static inline hintlite_lanes hintlite_load(const int8_t *in) { return hintlite_word(in); }
static inline void hintlite_store(int8_t *out, hintlite_lanes lanes) {
  (void)memcpy(out, &lanes, sizeof lanes);
}
static inline hintlite_lanes hintlite_repeat(int8_t value) {
  return ((uint32_t)value & 0xFFU) * 0x01010101U;
}
static inline hintlite_lanes hintlite_max(hintlite_lanes a, hintlite_lanes b) {
  return hintlite_larger(a, b);
}
static inline hintlite_lanes hintlite_min(hintlite_lanes a, hintlite_lanes b) {
  return hintlite_smaller(a, b);
}

#else
#define HINTLITE_LANES 1
typedef int8_t hintlite_lanes;

static inline hintlite_lanes hintlite_load(const int8_t *in) { return *in; }
static inline void hintlite_store(int8_t *out, hintlite_lanes lanes) { *out = lanes; }
static inline hintlite_lanes hintlite_repeat(int8_t value) { return value; }
static inline hintlite_lanes hintlite_max(hintlite_lanes a, hintlite_lanes b) {
  return a > b ? a : b;
}
static inline hintlite_lanes hintlite_min(hintlite_lanes a, hintlite_lanes b) {
  return a < b ? a : b;
}
#endif

#endif
