/* Semihosting files, and the clock. */
#include "firmware.h"

#define SYS_OPEN 0x01U
#define SYS_WRITE 0x05U
#define SYS_READ 0x06U

static uint32_t host_call(uint32_t number, const void *arguments) {
  register uint32_t operation __asm__("r0") = number;
  register const void *block __asm__("r1") = arguments;
  __asm__ volatile("bkpt 0xAB" : "+r"(operation) : "r"(block) : "memory");
  return operation;
}

int32_t host_open(const char *path, int32_t write) {
  uint32_t length = 0;
  while (path[length] != '\0') {
    ++length;
  }
  /* Modes of fopen: 1 is "rb", 5 is "wb". */
  const uint32_t block[3] = {(uint32_t)path, write != 0 ? 5U : 1U, length};
  const int32_t file = (int32_t)host_call(SYS_OPEN, block);
  if (file < 0) {
    host_exit(1);
  }
  return file;
}

static void transfer(uint32_t number, int32_t file, const void *memory, uint32_t length) {
  const uint32_t block[3] = {(uint32_t)file, (uint32_t)memory, length};
  if (host_call(number, block) != 0U) {
    host_exit(1);
  }
}

void host_read(int32_t file, void *memory, uint32_t length) {
  transfer(SYS_READ, file, memory, length);
}

void host_write(int32_t file, const void *memory, uint32_t length) {
  transfer(SYS_WRITE, file, memory, length);
}

#define SYSTICK_CONTROL (*(volatile uint32_t *)0xE000E010U)
#define SYSTICK_RELOAD (*(volatile uint32_t *)0xE000E014U)
#define SYSTICK_VALUE (*(volatile uint32_t *)0xE000E018U)
#define INTERRUPT_STATE (*(volatile uint32_t *)0xE000ED04U)
#define SYSTICK_PENDING (1U << 26)
#define LARGEST 0xFFFFFFU

volatile uint32_t overflows;

/* Five instructions, on every core: what an overflow adds to a count. */
__attribute__((naked)) void tick(void) {
  __asm__ volatile(
      ".syntax unified\n\t"
      "ldr r0, 1f\n\t"
      "ldr r1, [r0]\n\t"
      "adds r1, r1, #1\n\t"
      "str r1, [r0]\n\t"
      "bx lr\n\t"
      ".balign 4\n"
      "1: .word overflows");
}

void clock_start(void) {
  SYSTICK_CONTROL = 0;
  overflows = 0;
  SYSTICK_RELOAD = LARGEST;
  SYSTICK_VALUE = 0;
  SYSTICK_CONTROL = 7; /* on, with an interrupt, at the processor's clock */
}

void clock_stop(void) { SYSTICK_CONTROL = 0; }

uint64_t clock_now(void) {
  uint32_t high, value;
  do {
    high = overflows;
    value = SYSTICK_VALUE;
  } while (high != overflows || (INTERRUPT_STATE & SYSTICK_PENDING) != 0U);
  return ((uint64_t)high << 32) | (LARGEST - value);
}

__attribute__((naked)) void clock_spin(uint32_t rounds __attribute__((unused))) {
  __asm__ volatile(
      ".syntax unified\n"
      "1: subs r0, r0, #1\n\t"
      "bne 1b\n\t"
      "bx lr");
}
