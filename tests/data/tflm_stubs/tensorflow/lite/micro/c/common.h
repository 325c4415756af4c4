// Stand-in for the few declarations of TensorFlow Lite Micro that generated code uses; nothing is
// defined, so that code compiles against it and does not link.
// Mirrors tensorflow/lite/micro/c/common.h and tensorflow/lite/micro/c/c_api_types.h.
#ifndef TFLM_STUB_COMMON_H_
#define TFLM_STUB_COMMON_H_

#include <stddef.h>
#include <stdint.h>

typedef enum TfLiteStatus { kTfLiteOk = 0, kTfLiteError = 1 } TfLiteStatus;

typedef union TfLitePtrUnion {
  int8_t* int8;
  void* data;
} TfLitePtrUnion;

typedef struct TfLiteTensor {
  TfLitePtrUnion data;
  size_t bytes;
} TfLiteTensor;

#endif  // TFLM_STUB_COMMON_H_
