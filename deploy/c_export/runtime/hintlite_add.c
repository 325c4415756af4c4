/* ADD and SUB: both operands are brought to a common scale with 20 more bits, as in TFLM. */
#include "hintlite_arith.h"
#include "hintlite_binary.h"

#ifdef HINTLITE_MVE
#include "hintlite_mve.h"
#endif

#define HEADROOM_BITS 20

#ifdef HINTLITE_MVE
/* Four int8 from a row, or one four times. */
static int32x4_t load_lanes(const int8_t *row, int32_t i, int32_t stride, mve_pred16_t lanes) {
  return stride == 0 ? vdupq_n_s32(*row) : vldrbq_z_s32(row + i, lanes);
}

static int32x4_t lanes_at_scale(int32x4_t value, int32_t zero, int32_t multiplier, int32_t shift) {
  const int32x4_t shifted = vshlq_n_s32(vsubq_n_s32(value, zero), HEADROOM_BITS);
  return hintlite_mve_rescale(shifted, vdupq_n_s32(multiplier), vdupq_n_s32(shift));
}

static void add_row(const hintlite_binary_params *p, const int8_t *a, const int8_t *b,
                    int8_t *out) {
  for (int32_t i = 0; i < p->shape[3]; i += 4) {
    const mve_pred16_t lanes = vctp32q((uint32_t)(p->shape[3] - i));
    const int32x4_t first = lanes_at_scale(load_lanes(a, i, p->stride_a[3], lanes), p->zero_a,
                                           p->multiplier_a, p->shift_a);
    const int32x4_t second = lanes_at_scale(load_lanes(b, i, p->stride_b[3], lanes), p->zero_b,
                                            p->multiplier_b, p->shift_b);
    const int32x4_t sum = p->subtract != 0 ? vsubq_s32(first, second) : vaddq_s32(first, second);
    const int32x4_t result = vaddq_n_s32(
        hintlite_mve_rescale(sum, vdupq_n_s32(p->multiplier_out), vdupq_n_s32(p->shift_out)),
        p->out_zero);
    vstrbq_p_s32(out + i, hintlite_mve_clamp(result, p->out_min, p->out_max), lanes);
  }
}
#else
static int32_t at_common_scale(int32_t value, int32_t multiplier, int32_t shift) {
  return hintlite_rescale(hintlite_shift_left(value, HEADROOM_BITS), multiplier, shift);
}

static void add_row(const hintlite_binary_params *p, const int8_t *a, const int8_t *b,
                    int8_t *out) {
  /* Copied out of the parameters: no store through `out` can change them. */
  const hintlite_output o = {p->out_zero, p->out_min, p->out_max};
  const int32_t zero_a = p->zero_a, zero_b = p->zero_b;
  const int32_t factor_a = p->multiplier_a, factor_b = p->multiplier_b;
  const int32_t factor_out = p->multiplier_out, shift_out = p->shift_out;
  const int32_t shift_a = p->shift_a, shift_b = p->shift_b;
  const int32_t step_a = p->stride_a[3], step_b = p->stride_b[3], length = p->shape[3];
  const int32_t negate = -p->subtract; /* (x ^ -1) - -1 is -x */
  for (int32_t i = 0; i < length; ++i) {
    const int32_t first = at_common_scale(*a - zero_a, factor_a, shift_a);
    const int32_t second = at_common_scale(*b - zero_b, factor_b, shift_b);
    const int32_t sum = first + ((second ^ negate) - negate);
    out[i] = hintlite_finish(sum, factor_out, shift_out, o);
    a += step_a;
    b += step_b;
  }
}
#endif

HINTLITE_DEFINE_BINARY(hintlite_add, add_row)
