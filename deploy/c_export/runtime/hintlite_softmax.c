/* SOFTMAX with exponentials in fixed point, as TFLM and gemmlowp compute them. */
#include "hintlite_arith.h"
#include "hintlite_kernels.h"

#define INTEGER_BITS 5 /* of the exponent: Q5.26 */
#define FRACTION_BITS (31 - INTEGER_BITS)
#define SUM_INTEGER_BITS 12 /* of the sum of exponentials: Q12.19 */

static int32_t saturating_shift_left(int32_t value, int32_t exponent) {
  const int32_t limit = (int32_t)(INT32_MAX >> exponent);
  if (value > limit) {
    return INT32_MAX;
  }
  return value < -limit ? INT32_MIN : hintlite_shift_left(value, exponent);
}

/* exp(a) for a in [-1/4, 0), Q0.31: the Taylor expansion around -1/8. */
static int32_t exp_below_quarter(int32_t a) {
  const int32_t at_eighth = 1895147668; /* exp(-1/8) */
  const int32_t third = 715827883;
  const int32_t x = a + ((int32_t)1 << 28);
  const int32_t x2 = hintlite_high_mul(x, x);
  const int32_t x3 = hintlite_high_mul(x2, x);
  const int32_t x4 = hintlite_rounding_shift(hintlite_high_mul(x2, x2), 2);
  const int32_t tail = hintlite_rounding_shift(hintlite_high_mul(x4 + x3, third) + x2, 1);
  return at_eighth + hintlite_high_mul(at_eighth, x + tail);
}

/* exp(a) in Q0.31 for a <= 0 in Q5.26. */
static int32_t exp_negative(int32_t a) {
  /* exp(-1/4), exp(-1/2), exp(-1), ... exp(-16) */
  static const int32_t powers[] = {1672461947, 1302514674, 790015084, 290630308,
                                   39332535,   720401,     242};
  const int32_t quarter = (int32_t)1 << (FRACTION_BITS - 2);
  const int32_t part = (a & (quarter - 1)) - quarter;
  const int32_t rest = part - a;
  int32_t result = exp_below_quarter(saturating_shift_left(part, INTEGER_BITS));
  if (a == 0) {
    return INT32_MAX;
  }
  for (int32_t i = 0; i < 7; ++i) {
    if ((rest & hintlite_shift_left(quarter, i)) != 0) {
      result = hintlite_high_mul(result, powers[i]);
    }
  }
  return result;
}

/* 1 / (1 + a) in Q0.31 for a in [0, 1): Newton-Raphson in Q2.29. */
static int32_t reciprocal_one_plus(int32_t a) {
  const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) >> 1);
  int32_t x = 1515870810 + hintlite_high_mul(half, -1010580540); /* 48/17 - 32/17 * half */
  for (int32_t i = 0; i < 3; ++i) {
    const int32_t rest = ((int32_t)1 << 29) - hintlite_high_mul(half, x);
    x += saturating_shift_left(hintlite_high_mul(x, rest), 2);
  }
  return saturating_shift_left(x, 1);
}

static int32_t leading_zeros(uint32_t value) {
  int32_t count = 0;
  while ((value & 0x80000000U) == 0U) {
    value <<= 1;
    ++count;
  }
  return count;
}

static int32_t exp_of_difference(const hintlite_softmax_params *p, int32_t difference) {
  return exp_negative(
      hintlite_high_mul(hintlite_shift_left(difference, p->left_shift), p->multiplier));
}

static void softmax_row(const hintlite_softmax_params *p, const int8_t *in, int8_t *out) {
  int32_t most = INT8_MIN;
  int32_t sum = 0;
  for (int32_t i = 0; i < p->length; ++i) {
    most = in[i] > most ? in[i] : most;
  }
  for (int32_t i = 0; i < p->length; ++i) {
    if (in[i] - most >= p->least) {
      sum += hintlite_rounding_shift(exp_of_difference(p, in[i] - most), SUM_INTEGER_BITS);
    }
  }
  const int32_t headroom = leading_zeros((uint32_t)sum);
  const int32_t fraction = (int32_t)(((uint32_t)sum << headroom) - 0x80000000U);
  const int32_t scale = reciprocal_one_plus(fraction);
  const int32_t exponent = SUM_INTEGER_BITS - headroom + 31 - 8;
  for (int32_t i = 0; i < p->length; ++i) {
    int32_t value = INT8_MIN;
    if (in[i] - most >= p->least) {
      const int32_t share = hintlite_high_mul(scale, exp_of_difference(p, in[i] - most));
      value += hintlite_rounding_shift(share, exponent);
    }
    out[i] = (int8_t)hintlite_clamp(value, INT8_MIN, INT8_MAX);
  }
}

void hintlite_softmax(const hintlite_softmax_params *p, const int8_t *in, int8_t *out) {
  for (int32_t row = 0; row < p->rows; ++row) {
    softmax_row(p, in, out);
    in += p->length;
    out += p->length;
  }
}
