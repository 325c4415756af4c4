/* Kernels of an exported network: int8 in, int8 out, the arithmetic of TensorFlow Lite Micro.
 *
 * C99, freestanding but for memcpy and memset. No allocation, no recursion, no floating point,
 * no state: every function may run in several threads at once on different memory.
 * Every set of kernels (portable, DSP, MVE) gives the same bits. */
#ifndef HINTLITE_KERNELS_H
#define HINTLITE_KERNELS_H

#include <stdint.h>

/* The compiler's own macros choose the kernels; HINTLITE_PORTABLE forces the portable ones. */
#if !defined(HINTLITE_PORTABLE) && !defined(__ARM_BIG_ENDIAN) && defined(__ARM_FEATURE_MVE)
#define HINTLITE_MVE 1
#elif !defined(HINTLITE_PORTABLE) && !defined(__ARM_BIG_ENDIAN) && defined(__ARM_FEATURE_SIMD32)
#define HINTLITE_DSP 1
#endif

/* CONV_2D. Weights are [out_c][row_bytes], rows ending in zeros up to a multiple of four; the
 * input's zero point is folded into the bias, so padding is the zero point itself.
 * Scratch: two columns of the kernel's inputs as halfwords, and one as bytes unless the channels are
 * in fours: 4 or 5 times row_bytes. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multiplier;
  const int8_t *shift;
  int32_t row_bytes;
  int32_t row_length; /* kernel_h * kernel_w * in_c */
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, out_c;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t dilation_h, dilation_w;
  int16_t pad_top, pad_left;
  int16_t batches;
  int16_t channel_step; /* 1: a multiplier for each channel, 0: one for all */
  int8_t in_zero, out_zero, out_min, out_max;
} hintlite_conv_params;
void hintlite_conv(const hintlite_conv_params *p, const int8_t *in, int8_t *out, void *scratch);

/* DEPTHWISE_CONV_2D. Weights are [kernel_h][kernel_w][in_c * times]; the bias is the model's. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multiplier;
  const int8_t *shift;
  int16_t in_h, in_w, in_c;
  int16_t out_h, out_w, times;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t dilation_h, dilation_w;
  int16_t pad_top, pad_left;
  int16_t batches;
  int16_t channel_step;
  int8_t in_zero, out_zero, out_min, out_max;
} hintlite_depthwise_params;
void hintlite_depthwise(const hintlite_depthwise_params *p, const int8_t *in, int8_t *out);

/* FULLY_CONNECTED. Weights as in hintlite_conv: [out_c][row_bytes]. */
typedef struct {
  const int8_t *weights;
  const int32_t *bias;
  const int32_t *multiplier;
  const int8_t *shift;
  int32_t row_bytes;
  int32_t row_length;
  int32_t out_c;
  int32_t batches;
  int16_t channel_step;
  int8_t out_zero, out_min, out_max;
} hintlite_dense_params;
void hintlite_dense(const hintlite_dense_params *p, const int8_t *in, int8_t *out);

/* AVERAGE_POOL_2D and MAX_POOL_2D: the window is cut at the edges of the image. */
typedef struct {
  int16_t in_h, in_w, channels;
  int16_t out_h, out_w;
  int16_t kernel_h, kernel_w;
  int16_t stride_h, stride_w;
  int16_t pad_top, pad_left;
  int16_t batches;
  int8_t out_min, out_max;
} hintlite_pool_params;
void hintlite_average_pool(const hintlite_pool_params *p, const int8_t *in, int8_t *out);
void hintlite_max_pool(const hintlite_pool_params *p, const int8_t *in, int8_t *out);

/* ADD, SUB, MUL, MAXIMUM, MINIMUM. A stride of 0 repeats an operand along that axis; the output is
 * dense and may be the memory of an operand of its own shape. */
typedef struct {
  int32_t shape[4];
  int32_t stride_a[4];
  int32_t stride_b[4];
  int32_t multiplier_a, multiplier_b, multiplier_out;
  int8_t shift_a, shift_b, shift_out;
  int8_t subtract; /* 1: a - b */
  int8_t zero_a, zero_b;
  int8_t out_zero, out_min, out_max;
} hintlite_binary_params;
void hintlite_add(const hintlite_binary_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void hintlite_mul(const hintlite_binary_params *p, const int8_t *a, const int8_t *b, int8_t *out);
void hintlite_maximum(const hintlite_binary_params *p, const int8_t *a, const int8_t *b,
                      int8_t *out);
void hintlite_minimum(const hintlite_binary_params *p, const int8_t *a, const int8_t *b,
                      int8_t *out);

/* MEAN over the axes of reduced_shape. */
typedef struct {
  int32_t shape[4];
  int32_t stride[4];
  int32_t reduced_shape[4];
  int32_t reduced_stride[4];
  int32_t offset; /* - zero point * number of values */
  int32_t multiplier;
  int8_t shift;
  int8_t out_zero;
} hintlite_mean_params;
void hintlite_mean(const hintlite_mean_params *p, const int8_t *in, int8_t *out);

/* SOFTMAX along the last axis. */
typedef struct {
  int32_t rows;
  int32_t length;
  int32_t multiplier;
  int32_t left_shift;
  int32_t least; /* differences below it count as exp(-inf) */
} hintlite_softmax_params;
void hintlite_softmax(const hintlite_softmax_params *p, const int8_t *in, int8_t *out);

/* Any function of one int8: RELU, RELU6, LEAKY_RELU, HARD_SWISH, LOGISTIC, QUANTIZE. */
typedef struct {
  const int8_t *table; /* 256 values, for -128 to 127 */
  int32_t length;
} hintlite_lookup_params;
void hintlite_lookup(const hintlite_lookup_params *p, const int8_t *in, int8_t *out);

/* TRANSPOSE, and a part of CONCATENATION: gathers with strides, writes rows of shape[3]. */
typedef struct {
  int32_t shape[4];
  int32_t stride[4];
  int32_t out_stride[3];
} hintlite_move_params;
void hintlite_move(const hintlite_move_params *p, const int8_t *in, int8_t *out);

/* PAD: fills the output, then places the input. */
typedef struct {
  int32_t shape[4];
  int32_t stride[4];
  int32_t out_stride[3];
  int32_t out_start; /* where the first value of the input goes */
  int32_t out_length;
  int8_t value;
} hintlite_pad_params;
void hintlite_pad(const hintlite_pad_params *p, const int8_t *in, int8_t *out);

#endif
