/* Forced into <name>.c by the build that compares every layer's output. */
#include <stdint.h>
void dump_layer(const int8_t *values, uint32_t length);
#define HINTLITE_TRACE(layer, values, length) dump_layer((values), (length))
