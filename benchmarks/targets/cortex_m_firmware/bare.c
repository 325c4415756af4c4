/* The smallest program that runs the network: what its code takes is what a product pays. */
#include "firmware.h"
#include "network_under_test.h"

__attribute__((section(".caller"))) static int8_t input[NETWORK_INPUT_BYTES];
__attribute__((section(".caller"))) static int8_t output[NETWORK_OUTPUT_BYTES];
static int8_t arena[NETWORK_ARENA_BYTES + (NETWORK_ARENA_BYTES == 0)]
    __attribute__((aligned(NETWORK_ARENA_ALIGN)));

int main(void) { return network_invoke(input, output, arena); }
