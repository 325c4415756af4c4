/* Rescaling of four lanes in Helium: the same roundings as hintlite_arith.h. */
#ifndef HINTLITE_MVE_H
#define HINTLITE_MVE_H

#include <arm_mve.h>

/* VQRDMULH rounds as TFLM's high multiply does; VRSHL rounds halves upwards, so negative lanes that
 * are going to be shifted right are lowered by one first: halves go away from zero. */
static inline int32x4_t hintlite_mve_rescale(int32x4_t value, int32x4_t multiplier,
                                             int32x4_t shift) {
  const int32x4_t zero = vdupq_n_s32(0);
  const int32x4_t left = vmaxq_s32(shift, zero);
  const int32x4_t right = vminq_s32(shift, zero);
  const int32x4_t product = vqrdmulhq_s32(vshlq_s32(value, left), multiplier);
  const int32x4_t lower = vshrq_n_s32(vandq_s32(product, right), 31);
  return vrshlq_s32(vqaddq_s32(product, lower), right);
}

static inline int32x4_t hintlite_mve_clamp(int32x4_t value, int32_t least, int32_t most) {
  return vminq_s32(vmaxq_s32(value, vdupq_n_s32(least)), vdupq_n_s32(most));
}

#endif
