/* Forced into <name>.c by the build that counts layers. */
void mark_layer(void);
#define HINTLITE_TRACE(layer, values, length) mark_layer()
