/* Vectors and start-up for every board; Armv6-M to Armv8.1-M. */
#include <stdint.h>

#include "firmware.h"

extern uint32_t stack_top[], data_load[], data_start[], data_end[], bss_start[], bss_end[];

#define SYS_EXIT 0x18U
#define EXIT_GOOD 0x20026U
#define EXIT_ERROR 0x20023U

void host_exit(int32_t failed) {
  register uint32_t operation __asm__("r0") = SYS_EXIT;
  register uint32_t reason __asm__("r1") = failed != 0 ? EXIT_ERROR : EXIT_GOOD;
  __asm__ volatile("bkpt 0xAB" : : "r"(operation), "r"(reason) : "memory");
  for (;;) {
  }
}

static void fault(void) { host_exit(1); }

__attribute__((weak)) void tick(void) {}

static void reset(void) {
  uint32_t *from = data_load;
  for (uint32_t *to = data_start; to < data_end; ++to) {
    *to = *from++;
  }
  for (uint32_t *to = bss_start; to < bss_end; ++to) {
    *to = 0;
  }
#if defined(__ARM_FEATURE_MVE) || (defined(__ARM_FP) && !defined(__SOFTFP__))
  /* Access to the coprocessors 10 and 11: floating point and MVE. */
  *(volatile uint32_t *)0xE000ED88U |= 0x00F00000U;
  __asm__ volatile("dsb\n\tisb");
#endif
  host_exit(main());
}

__attribute__((section(".vectors"), used)) static const void *const vectors[16] = {
    stack_top,
    (const void *)reset,
    (const void *)fault,
    (const void *)fault,
    (const void *)fault,
    (const void *)fault,
    (const void *)fault,
    (const void *)fault,
    0,
    0,
    0,
    (const void *)fault,
    (const void *)fault,
    0,
    (const void *)fault,
    (const void *)tick,
};
