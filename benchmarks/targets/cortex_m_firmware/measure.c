/* Runs every input of input.bin; writes output.bin, and counts.bin: a header of numbers, then for
 * each sample the start, the end of each layer (if traced) and the end, in ticks. */
#include "firmware.h"
#include "network_under_test.h"

#define PATTERN 0xA5C3F00DU

extern uint32_t stack_bottom[];

static int8_t input[NETWORK_INPUT_BYTES];
static int8_t output[NETWORK_OUTPUT_BYTES];
static int8_t arena[NETWORK_ARENA_BYTES + (NETWORK_ARENA_BYTES == 0)] __attribute__((aligned(NETWORK_ARENA_ALIGN)));
static uint64_t marks[NETWORK_LAYERS + 2];
static uint32_t marked;

void mark_layer(void);
void mark_layer(void) { marks[marked++] = clock_now(); }

/* Bytes of stack below the caller that the network uses, found by painting them first. */
__attribute__((noinline)) static uint32_t stack_used(void) {
  uint32_t *here;
  uint32_t *lowest = stack_bottom;
  __asm__ volatile("mov %0, sp" : "=r"(here));
  for (uint32_t *word = stack_bottom; word < here; ++word) {
    *(volatile uint32_t *)word = PATTERN;
  }
  marked = 0;
  if (network_invoke(input, output, arena) != 0) {
    host_exit(1);
  }
  while (lowest < here && *(volatile uint32_t *)lowest == PATTERN) {
    ++lowest;
  }
  return (uint32_t)(here - lowest) * 4U;
}

static uint32_t spin_ticks(uint32_t rounds) {
  const uint64_t start = clock_now();
  clock_spin(rounds);
  return (uint32_t)(clock_now() - start);
}

static void run_sample(int32_t counts) {
  clock_start();
  marked = 0;
  mark_layer();
  if (network_invoke(input, output, arena) != 0) {
    host_exit(1);
  }
  mark_layer();
  clock_stop();
  host_write(counts, marks, marked * (uint32_t)sizeof marks[0]);
}

int main(void) {
  const int32_t inputs = host_open("input.bin", 0);
  const int32_t outputs = host_open("output.bin", 1);
  const int32_t counts = host_open("counts.bin", 1);
  uint32_t header[4];
  clock_start();
  header[0] = spin_ticks(1000);
  header[1] = spin_ticks(101000);
  marked = 0;
  mark_layer();
  mark_layer();
  header[2] = (uint32_t)(marks[1] - marks[0]);
  clock_stop();
  for (uint32_t i = 0; i < NETWORK_SAMPLES; ++i) {
    host_read(inputs, input, sizeof input);
    if (i == 0U) {
      header[3] = stack_used();
      host_write(counts, header, sizeof header);
    }
    run_sample(counts);
    host_write(outputs, output, sizeof output);
  }
  return 0;
}
