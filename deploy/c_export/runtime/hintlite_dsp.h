/* The DSP instructions of Armv7E-M and Armv8-M, through ACLE. */
#ifndef HINTLITE_DSP_H
#define HINTLITE_DSP_H

#include <arm_acle.h>
#include <stdint.h>
#include <string.h>

#include "hintlite_arith.h"

/* Four bytes, aligned or not. */
static inline uint32_t hintlite_word(const void *memory) {
  uint32_t word;
  (void)memcpy(&word, memory, sizeof word);
  return word;
}

/* Bytes 0 and 2 of a word as signed halfwords. */
static inline int16x2_t hintlite_even(uint32_t word) { return __sxtb16((int8x4_t)word); }

/* Bytes 1 and 3. ACLE has no form of SXTB16 that rotates, and GCC does not make one. */
static inline int16x2_t hintlite_odd(uint32_t word) {
#if defined(__GNUC__) && !defined(__clang__)
  int16x2_t halves;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(halves) : "r"(word));
  return halves;
#else
  return __sxtb16((int8x4_t)((word >> 8) | (word << 24)));
#endif
}

/* The same, with a halfword added to each. */
static inline int16x2_t hintlite_even_plus(int16x2_t offset, uint32_t word) {
  return __sxtab16(offset, (int8x4_t)word);
}

static inline int16x2_t hintlite_odd_plus(int16x2_t offset, uint32_t word) {
#if defined(__GNUC__) && !defined(__clang__)
  int16x2_t halves;
  __asm__("sxtab16 %0, %1, %2, ror #8" : "=r"(halves) : "r"(offset), "r"(word));
  return halves;
#else
  return __sxtab16(offset, (int8x4_t)((word >> 8) | (word << 24)));
#endif
}

/* Four outputs as the bytes of a word, clamped together: SSUB8 notes for each byte whether a >= b,
 * SEL takes by that note. */
typedef struct {
  int32_t zero;
  uint32_t least, most; /* four times each */
} hintlite_quad_output;

static inline hintlite_quad_output hintlite_quads(hintlite_output o) {
  const uint32_t least = (uint32_t)o.least & 0xFFU, most = (uint32_t)o.most & 0xFFU;
  return (hintlite_quad_output){o.zero, least * 0x01010101U, most * 0x01010101U};
}

static inline uint32_t hintlite_larger(uint32_t a, uint32_t b) {
  (void)__ssub8((int8x4_t)a, (int8x4_t)b);
  return (uint32_t)__sel((uint8x4_t)a, (uint8x4_t)b);
}

static inline uint32_t hintlite_smaller(uint32_t a, uint32_t b) {
  (void)__ssub8((int8x4_t)a, (int8x4_t)b);
  return (uint32_t)__sel((uint8x4_t)b, (uint8x4_t)a);
}

/* GCC's macro for SSAT does not pass -Wconversion. */
static inline uint32_t hintlite_to_byte(int32_t value) {
#if defined(__GNUC__) && !defined(__clang__)
  uint32_t byte;
  __asm__("ssat %0, #8, %1" : "=r"(byte) : "r"(value));
  return byte;
#else
  return (uint32_t)__ssat(value, 8);
#endif
}

/* The outputs for four rescaled sums; the first in the lowest byte. */
static inline uint32_t hintlite_finish_four(int32_t v0, int32_t v1, int32_t v2, int32_t v3,
                                            hintlite_quad_output o) {
  const uint32_t s0 = hintlite_to_byte(v0 + o.zero), s1 = hintlite_to_byte(v1 + o.zero);
  const uint32_t s2 = hintlite_to_byte(v2 + o.zero), s3 = hintlite_to_byte(v3 + o.zero);
  const uint32_t even = ((s0 & 0xFFFFU) | (s2 << 16)) & 0x00FF00FFU;
  const uint32_t odd = ((s1 & 0xFFFFU) | (s3 << 16)) & 0x00FF00FFU;
  return hintlite_smaller(hintlite_larger(even | (odd << 8), o.least), o.most);
}

#endif
