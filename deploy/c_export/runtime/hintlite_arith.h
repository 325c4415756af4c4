/* TFLM's integer arithmetic, shared by the kernels. Right shifts of negative values are taken to be
 * arithmetic, as every compiler for two's complement machines does. */
#ifndef HINTLITE_ARITH_H
#define HINTLITE_ARITH_H

#include <stdint.h>

/* round(a * b / 2^31), halves upwards; no case here has a and b both INT32_MIN. */
static inline int32_t hintlite_high_mul(int32_t a, int32_t b) {
  return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
}

/* value / 2^exponent for exponent > 0, halves away from zero. Halving last keeps it in 32 bits. */
static inline int32_t hintlite_rounding_shift(int32_t value, int32_t exponent) {
  return (((value + (value >> 31)) >> (exponent - 1)) + 1) >> 1;
}

static inline int32_t hintlite_shift_left(int32_t value, int32_t exponent) {
  return (int32_t)((uint32_t)value << exponent);
}

/* value * multiplier / 2^31 * 2^shift, rounded after the multiplication and after the shift. */
static inline int32_t hintlite_rescale(int32_t value, int32_t multiplier, int32_t shift) {
  if (shift < 0) {
    return hintlite_rounding_shift(hintlite_high_mul(value, multiplier), -shift);
  }
  return hintlite_high_mul(hintlite_shift_left(value, shift), multiplier);
}

static inline int32_t hintlite_clamp(int32_t value, int32_t least, int32_t most) {
  const int32_t raised = value < least ? least : value;
  return raised > most ? most : raised;
}

/* How sums become int8 outputs, copied out of a layer's parameters: the compiler may then keep it in
 * registers, since no store through an int8_t pointer can change it. */
typedef struct {
  int32_t zero, least, most;
} hintlite_output;

static inline int8_t hintlite_finish(int32_t sum, int32_t multiplier, int32_t shift,
                                     hintlite_output o) {
  const int32_t value = hintlite_rescale(sum, multiplier, shift) + o.zero;
  return (int8_t)hintlite_clamp(value, o.least, o.most);
}

#endif
